# The operator's command: its parts, and the program against a coordinator that follows a script.
farmhand_test(cli_parts SOURCES test_cli_parts.c LIBS farmhand_cli)
farmhand_test(cli SOURCES test_cli.c fake_api.c LIBS farmhand_common PkgConfig::JANSSON PkgConfig::MICROHTTPD)
target_compile_definitions(test_cli PRIVATE FARMHAND_PROGRAM="$<TARGET_FILE:farmhand>")
add_dependencies(test_cli farmhand)
