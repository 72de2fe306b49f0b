# What the coordinator remembers.
set(store_tools coordinator_store/files.c coordinator_store/samples.c)
farmhand_test(store SOURCES coordinator_store/test_store.c ${store_tools} LIBS farmhand_store)
farmhand_test(store_trouble SOURCES coordinator_store/test_store_trouble.c ${store_tools} LIBS farmhand_store)
farmhand_test(history SOURCES coordinator_store/test_history.c ${store_tools} LIBS farmhand_store)

# What it says to operators.
farmhand_test(api SOURCES coordinator_api/test_api.c coordinator_api/client.c LIBS farmhand_api)

farmhand_test(api_far SOURCES coordinator_api/test_api_far.c link/certs.c
              LIBS farmhand_api farmhand_ca OpenSSL::SSL)

# What it is told by its file.
farmhand_test(coordinator_settings SOURCES coordinator_main/test_settings.c LIBS farmhand_settings)
target_compile_definitions(test_coordinator_settings
                           PRIVATE SAMPLE_PATH="${PROJECT_SOURCE_DIR}/deploy/coordinator.conf.sample")
farmhand_test(remediation_conf SOURCES coordinator_main/test_remediation_conf.c LIBS farmhand_settings)
target_compile_definitions(test_remediation_conf
                           PRIVATE SAMPLE_PATH="${PROJECT_SOURCE_DIR}/deploy/remediation.conf.sample")
farmhand_test(default_rules SOURCES coordinator_main/test_default_rules.c LIBS farmhand_settings)
target_compile_definitions(test_default_rules
                           PRIVATE SAMPLE_PATH="${PROJECT_SOURCE_DIR}/deploy/remediation.conf.sample")

# What operators ask, against a brain with invented agents.
farmhand_test(desk SOURCES coordinator_main/test_desk.c coordinator/farm.c coordinator_store/files.c
                           coordinator_api/client.c
              LIBS farmhand_desk TIMEOUT 300)
# Each path that changes something, by everybody; its stores in memory.
farmhand_test(verbs SOURCES coordinator_main/test_verbs.c coordinator/farm.c coordinator_store/files_memory.c link/certs.c
                            ${PROJECT_SOURCE_DIR}/tests/sim/vfs.c ${PROJECT_SOURCE_DIR}/tests/sim/vfs_files.c
              LIBS farmhand_desk PkgConfig::SQLITE OpenSSL::SSL)
farmhand_test(archive SOURCES coordinator_main/test_archive.c ${store_tools} LIBS farmhand_store)

# The program itself.
farmhand_test(coordinator_program SOURCES coordinator_main/test_program.c coordinator_store/files.c
                                          coordinator_api/client.c
              LIBS farmhand_store)
add_dependencies(test_coordinator_program farmhand-coordinator)
target_compile_definitions(
  test_coordinator_program PRIVATE PROGRAM="$<TARGET_FILE:farmhand-coordinator>"
                                   SAMPLE_PATH="${PROJECT_SOURCE_DIR}/deploy/coordinator.conf.sample")
farmhand_test(ca SOURCES coordinator_main/test_ca.c link/certs.c LIBS farmhand_ca OpenSSL::SSL)
farmhand_test(enrol SOURCES coordinator_main/test_enrol.c coordinator_store/files.c link/certs.c
              LIBS farmhand_enrol farmhand_desk OpenSSL::SSL)
farmhand_test(audit SOURCES coordinator_store/test_audit.c coordinator_store/files.c LIBS farmhand_store)
