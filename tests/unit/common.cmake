# One program per module of common/.
foreach(module command_line error text log os process program mailbox db config options service http sha256)
  farmhand_test(common_${module} SOURCES common/test_${module}.c LIBS farmhand_common)
endforeach()

target_sources(test_common_os PRIVATE common/os_cases.c) # what holds on Windows, too

# The direction of includes, and that the check of it finds every breach. What reads the tree alone says under a
# sanitizer what it says without.
if(FARMHAND_SANITIZE)
  return()
endif()
add_test(NAME includes COMMAND ${PROJECT_SOURCE_DIR}/tests/check_includes ${PROJECT_SOURCE_DIR}
                               ${PROJECT_BINARY_DIR})
add_test(NAME includes_check_bites COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/check_includes_bites
                                           ${PROJECT_SOURCE_DIR}/tests/check_includes)
set_tests_properties(includes includes_check_bites PROPERTIES LABELS unit TIMEOUT 900)

add_test(NAME systemd_units COMMAND ${PROJECT_SOURCE_DIR}/tests/systemd-units ${PROJECT_SOURCE_DIR})
set_tests_properties(systemd_units PROPERTIES LABELS unit TIMEOUT 60 SKIP_RETURN_CODE 77)
