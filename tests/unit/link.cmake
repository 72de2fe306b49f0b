# The two ends of the wire, against each other and against peers that misbehave.
farmhand_test(link SOURCES link/test_link.c link/rig.c
  LIBS farmhand_agent_link farmhand_coordinator_link nng::nng)
farmhand_test(link_guard SOURCES link/test_link_guard.c LIBS farmhand_coordinator_link)
farmhand_test(door SOURCES link/test_door.c LIBS farmhand_coordinator_link)
farmhand_test(link_outbox SOURCES link/test_link_outbox.c LIBS farmhand_agent_link)

farmhand_test(link_tls SOURCES link/test_link_tls.c link/rig.c link/certs.c
  LIBS farmhand_agent_link farmhand_coordinator_link farmhand_ca nng::nng OpenSSL::SSL TIMEOUT 300)
