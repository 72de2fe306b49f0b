farmhand_test(rollout SOURCES coordinator/test_rollout.c coordinator/play.c LIBS farmhand_coordinator_pure)
farmhand_test(service_runs SOURCES coordinator/test_service_runs.c coordinator/play.c LIBS farmhand_coordinator_pure)
farmhand_test(waves SOURCES coordinator/test_waves.c coordinator/play.c LIBS farmhand_coordinator_pure)
farmhand_test(turn SOURCES coordinator/test_turn.c coordinator/play.c LIBS farmhand_coordinator_pure)
farmhand_test(compare SOURCES coordinator/test_compare.c coordinator/play.c LIBS farmhand_coordinator_pure)
farmhand_test(policy SOURCES coordinator/test_policy.c coordinator/play.c LIBS farmhand_coordinator_pure)
farmhand_test(windows SOURCES coordinator/test_windows.c coordinator/play.c LIBS farmhand_coordinator_pure farmhand_settings)
farmhand_test(maintenance SOURCES coordinator/test_maintenance.c coordinator/play.c coordinator/farm.c
              coordinator_store/files.c LIBS farmhand_brain TIMEOUT 300)
farmhand_test(hold SOURCES coordinator/test_hold.c coordinator/play.c coordinator/farm.c
              coordinator_store/files.c LIBS farmhand_brain TIMEOUT 300)
farmhand_test(evidence SOURCES coordinator/test_evidence.c coordinator/play.c coordinator/farm.c
              coordinator_store/files.c LIBS farmhand_brain TIMEOUT 300)
farmhand_test(kept SOURCES coordinator/test_kept.c coordinator/farm.c coordinator_store/files.c LIBS farmhand_brain
              TIMEOUT 300)
farmhand_test(remedy SOURCES coordinator/test_remedy.c LIBS farmhand_coordinator_pure)
farmhand_test(warm SOURCES coordinator/test_warm.c coordinator/farm.c coordinator_store/files.c LIBS farmhand_brain
              TIMEOUT 300)
farmhand_test(guards SOURCES coordinator/test_guards.c coordinator/play.c coordinator/farm.c
              coordinator_store/files.c LIBS farmhand_brain TIMEOUT 300)
farmhand_test(plan SOURCES coordinator/test_plan.c LIBS farmhand_coordinator_pure)
farmhand_test(coordinator_decisions SOURCES coordinator/test_small.c LIBS farmhand_coordinator_pure)
farmhand_test(brain SOURCES coordinator/test_brain.c coordinator/farm.c coordinator_store/files.c LIBS farmhand_brain
              TIMEOUT 300)
farmhand_test(remediation SOURCES coordinator/test_remediation.c coordinator/farm.c coordinator_store/files.c
              LIBS farmhand_brain TIMEOUT 300)
farmhand_test(conditions SOURCES coordinator/test_conditions.c coordinator/farm.c coordinator_store/files.c
              LIBS farmhand_brain TIMEOUT 300)
farmhand_test(exchange SOURCES coordinator/test_exchange.c coordinator/farm.c coordinator_store/files.c
              LIBS farmhand_brain TIMEOUT 300)
farmhand_test(restraint SOURCES coordinator/test_restraint.c coordinator/farm.c coordinator_store/files.c
              LIBS farmhand_brain TIMEOUT 300)
farmhand_test(takeover SOURCES coordinator/test_takeover.c coordinator/farm.c coordinator_store/files.c
              LIBS farmhand_brain TIMEOUT 300)
farmhand_test(rotation SOURCES coordinator/test_rotation.c coordinator/farm.c coordinator_store/files.c
              LIBS farmhand_brain TIMEOUT 300)
farmhand_test(rules SOURCES coordinator/test_rules.c coordinator/farm.c coordinator_store/files.c LIBS farmhand_brain
              TIMEOUT 300)
farmhand_test(strain SOURCES coordinator/test_strain.c coordinator/farm.c coordinator_store/files.c
              LIBS farmhand_brain PkgConfig::SQLITE TIMEOUT 300)
farmhand_test(notice SOURCES coordinator/test_notice.c LIBS farmhand_coordinator_pure)
farmhand_test(notices SOURCES coordinator/test_notices.c coordinator/farm.c coordinator_store/files.c fake_hook.c
              LIBS farmhand_notices TIMEOUT 300)
farmhand_test(approval SOURCES coordinator/test_approval.c coordinator/farm.c coordinator_store/files.c
              LIBS farmhand_brain TIMEOUT 300)
