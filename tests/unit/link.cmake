# The two ends of the wire, against each other and against peers that misbehave.
farmhand_test(link SOURCES link/test_link.c link/rig.c
  LIBS farmhand_agent_link farmhand_coordinator_link nng::nng)
