# The heart and what it decides by: pure, no driver, no store, no network.
add_library(farmhand_agent_core STATIC
  agent.c
  agent_admit.c
  agent_calls.c
  agent_hand.c
  agent_talk.c
  call.c
  known.c
  recipe_watch.c
  recipes.c
  record.c
  veto.c
)
target_link_libraries(farmhand_agent_core PUBLIC farmhand_base farmhand_common farmhand_proto)
