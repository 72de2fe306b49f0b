# The drivers: every answer a tool may give, and the whole driver over scripts that play the tools.
foreach(module codes decode parse probe)
  farmhand_test(drivers_${module} SOURCES test_drivers_${module}.c LIBS farmhand_drivers)
endforeach()
foreach(module events settings scm iis facts)
  farmhand_test(drivers_${module} SOURCES test_drivers_${module}.c drivers_tool.c LIBS farmhand_drivers)
endforeach()
