# One program per module of common/.
foreach(module error text log os process mailbox db config service http)
  farmhand_test(common_${module} SOURCES common/test_${module}.c LIBS farmhand_common)
endforeach()
