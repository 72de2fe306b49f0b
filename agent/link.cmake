# nng between the agent and its coordinator.
add_library(farmhand_agent_link STATIC
  link.c
  link_dial.c
  link_outbox.c
)
target_link_libraries(farmhand_agent_link PUBLIC farmhand_base farmhand_common farmhand_proto PRIVATE nng::nng)
