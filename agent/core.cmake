# The heart and what it decides by: pure, no driver, no store, no network.
add_library(farmhand_agent_core STATIC
  agent.c
  agent_admit.c
  agent_calls.c
  agent_hand.c
  agent_rotate.c
  agent_observe.c
  agent_services.c
  agent_talk.c
  call.c
  ending.c
  known.c
  recipe_order.c
  recipe_rehearse.c
  recipe_watch.c
  recipes.c
  record.c
  recovery.c
  recovery_judge.c
  recovery_start.c
  recovery_stop.c
  services.c
  setting.c
  veto.c
)
target_link_libraries(farmhand_agent_core PUBLIC farmhand_base farmhand_common farmhand_proto)

# What it remembers over restarts.
add_library(farmhand_journal STATIC audit.c journal.c journal_audit.c journal_record.c)
target_link_libraries(farmhand_journal PUBLIC farmhand_agent_core)

# Around the heart: threads, settings, and the program.
if(WIN32)
  set(guardian_system guardian_win32.c)
else()
  set(guardian_system guardian_posix.c)
endif()
add_library(farmhand_agent_shell STATIC guardian.c guardian_watch.c ${guardian_system} dumps.c
                                         identity.c identity_key.c keepalive.c renewal.c settings.c
                                         settings_keys.c shell.c worker.c)
target_link_libraries(farmhand_agent_shell PUBLIC farmhand_agent_core farmhand_journal farmhand_agent_link farmhand_drivers
                                                  farmhand_home farmhand_keypair Threads::Threads PRIVATE mbedtls)

# What is right and wrong with a server.
# One question to a coordinator's HTTPS: joining, and doctor's look at its clock.
add_library(farmhand_join STATIC join_http.c join_key.c join_tls.c)
target_link_libraries(farmhand_join PUBLIC farmhand_base farmhand_common farmhand_keypair farmhand_proto PRIVATE mbedtls)

add_library(farmhand_doctor STATIC doctor.c doctor_gather.c doctor_pools.c doctor_print.c doctor_run.c doctor_server.c)
target_link_libraries(farmhand_doctor PUBLIC farmhand_agent_shell PRIVATE farmhand_join PkgConfig::JANSSON)

add_executable(farmhand-agent main.c audit_run.c dump_run.c join.c verbs_${FARMHAND_SYSTEM}.c)
target_link_libraries(farmhand-agent PRIVATE farmhand_agent_shell farmhand_doctor farmhand_join PkgConfig::JANSSON)
farmhand_resources(farmhand-agent "Farmhand agent" EVENTS)
if(WIN32)
  target_sources(farmhand-agent PRIVATE privileges_win32.c service_setup_win32.c)
endif()
