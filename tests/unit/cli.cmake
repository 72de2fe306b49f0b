# The operator's command: its parts, and the program against a coordinator that follows a script.
farmhand_test(cli_parts SOURCES test_cli_parts.c LIBS farmhand_cli)
foreach(name cli cli_audit cli_holds cli_notices cli_warm)
  farmhand_test(${name} SOURCES test_${name}.c cli_bench.c fake_api.c
                LIBS farmhand_common PkgConfig::JANSSON PkgConfig::MICROHTTPD)
  target_compile_definitions(test_${name} PRIVATE FARMHAND_PROGRAM="$<TARGET_FILE:farmhand>")
  add_dependencies(test_${name} farmhand)
endforeach()
target_link_libraries(test_cli_audit PRIVATE farmhand_audit)
