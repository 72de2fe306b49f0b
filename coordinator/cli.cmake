# The operator's command. Its parts are a library, so that tests reach the pure ones.
add_library(farmhand_cli STATIC
  cli/say.c
  cli/signs.c
  cli/table.c
  cli/terminal_${FARMHAND_SYSTEM}.c
  cli/options.c
  cli/help.c
  cli/talk.c
  cli/sse.c
  cli/stream.c
  cli/progress.c
  cli/watch.c
  cli/plan.c
  cli/story.c
  cli/change.c
  cli/child_${FARMHAND_SYSTEM}.c
  cli/verb_status.c
  cli/verb_server.c
  cli/verb_pool.c
  cli/verb_run.c
  cli/verb_service.c
  cli/verb_events.c
  cli/verb_incident.c
  cli/verb_notice.c
  cli/verb_audit.c
  cli/verb_operator.c
  cli/verb_token.c
  cli/way.c
  cli/verb_hold.c
  cli/verb_warm.c
)
target_link_libraries(farmhand_cli PUBLIC farmhand_base farmhand_audit farmhand_common PkgConfig::JANSSON Threads::Threads)
add_executable(farmhand cli/main.c)
target_link_libraries(farmhand PRIVATE farmhand_cli)
farmhand_resources(farmhand "Farmhand operator's command")
