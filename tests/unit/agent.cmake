# The agent's heart on virtual time, its journal, its settings.
farmhand_test(agent_recipes SOURCES agent/test_recipes.c agent/box.c LIBS farmhand_agent_core)
farmhand_test(agent_recovery SOURCES agent/test_recovery.c agent/sbox.c LIBS farmhand_agent_core)
farmhand_test(agent_guardian SOURCES agent/test_guardian.c drivers_tool.c LIBS farmhand_agent_shell TIMEOUT 300)
target_compile_definitions(test_agent_guardian PRIVATE FARMHAND_AGENT="$<TARGET_FILE:farmhand-agent>")
add_dependencies(test_agent_guardian farmhand-agent)
farmhand_test(agent_parts SOURCES agent/test_parts.c LIBS farmhand_agent_core)
farmhand_test(agent_ending SOURCES agent/test_ending.c LIBS farmhand_agent_core)
farmhand_test(agent_services SOURCES agent/test_services.c LIBS farmhand_agent_core)
farmhand_test(agent_doctor SOURCES agent/test_doctor.c LIBS farmhand_doctor PkgConfig::JANSSON)
farmhand_test(agent_heart SOURCES agent/test_agent.c agent/stage.c agent/box.c LIBS farmhand_agent_core)
farmhand_test(agent_rotation SOURCES agent/test_rotation.c agent/stage.c agent/box.c LIBS farmhand_agent_core)
farmhand_test(agent_setting SOURCES agent/test_setting.c agent/stage.c agent/box.c LIBS farmhand_agent_core)
farmhand_test(agent_keepalive SOURCES agent/test_keepalive.c LIBS farmhand_agent_shell)
farmhand_test(agent_join_http SOURCES agent/test_join_http.c LIBS farmhand_join)
farmhand_test(agent_home SOURCES agent/test_home.c LIBS farmhand_agent_shell)
farmhand_test(agent_dumps SOURCES agent/test_dumps.c LIBS farmhand_agent_shell)
farmhand_test(agent_worker SOURCES agent/test_worker.c LIBS farmhand_agent_shell)
farmhand_test(agent_journal SOURCES agent/test_journal.c LIBS farmhand_journal)
farmhand_test(agent_settings SOURCES agent/test_settings.c LIBS farmhand_agent_shell)
target_compile_definitions(test_agent_settings PRIVATE SAMPLE="${PROJECT_SOURCE_DIR}/deploy/agent.conf.sample"
                                                       FARMHAND_AGENT="$<TARGET_FILE:farmhand-agent>")
add_dependencies(test_agent_settings farmhand-agent)

# The whole program against a lab server.
farmhand_test(agent_program SOURCES agent/test_program.c agent/desk.c agent/labfarm.c
  LIBS farmhand_agent_core farmhand_coordinator_link nng::nng LABELS lab TIMEOUT 300)
target_compile_definitions(test_agent_program PRIVATE LAB_SC="$<TARGET_FILE:lab-sc>"
                                                      FARMHAND_AGENT="$<TARGET_FILE:farmhand-agent>")
add_dependencies(test_agent_program farmhand-agent lab)
farmhand_test(agent_services_lab SOURCES agent/test_services_lab.c agent/desk.c agent/labfarm.c
  LIBS farmhand_agent_core farmhand_coordinator_link nng::nng LABELS lab TIMEOUT 300)
target_compile_definitions(test_agent_services_lab PRIVATE LAB_SC="$<TARGET_FILE:lab-sc>"
                                                           FARMHAND_AGENT="$<TARGET_FILE:farmhand-agent>")
add_dependencies(test_agent_services_lab farmhand-agent lab)

# Who it is in its farm. The CA is the coordinator's, which Linux alone has.
farmhand_test(agent_identity SOURCES agent/test_identity.c link/certs.c
              LIBS farmhand_agent_shell farmhand_join farmhand_ca OpenSSL::SSL)
