# nng between the coordinator and its agents.
add_library(farmhand_coordinator_link STATIC
  link.c
  link_guard.c
  link_tls.c
)
target_link_libraries(farmhand_coordinator_link PUBLIC farmhand_base farmhand_common farmhand_proto PRIVATE nng::nng OpenSSL::SSL
                                                Threads::Threads)

# The farm's own certificates.
add_library(farmhand_ca STATIC ca.c members.c)
target_link_libraries(farmhand_ca PUBLIC farmhand_base farmhand_common farmhand_proto PRIVATE OpenSSL::Crypto)

# Who is let in.
add_library(farmhand_enrol STATIC enrol.c operators.c)
target_link_libraries(farmhand_enrol PUBLIC farmhand_ca farmhand_store farmhand_coordinator_pure)
