# nng between the coordinator and its agents.
add_library(farmhand_coordinator_link STATIC
  link.c
  link_guard.c
)
target_link_libraries(farmhand_coordinator_link PUBLIC farmhand_base farmhand_common farmhand_proto PRIVATE nng::nng)
