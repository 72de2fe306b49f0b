# Where the agent keeps its things, and that nobody else can write there. Included with what needs it.
add_library(farmhand_home STATIC home.c home_${FARMHAND_SYSTEM}.c)
target_link_libraries(farmhand_home PUBLIC farmhand_base farmhand_common)
if(WIN32)
  target_link_libraries(farmhand_home PUBLIC shell32 ole32 uuid advapi32)
endif()

# What runs the web server, behind agent/driver.h. Included by agent/CMakeLists.txt.
add_library(farmhand_drivers STATIC
  drivers/bookmark.c
  drivers/dump_${FARMHAND_SYSTEM}.c
  drivers/event_log.c
  drivers/iis.c
  drivers/iis_appcmd.c
  drivers/iis_codes.c
  drivers/iis_config.c
  drivers/iis_configure.c
  drivers/iis_decode.c
  drivers/iis_defaults_${FARMHAND_SYSTEM}.c
  drivers/iis_facts.c
  drivers/iis_facts_apps.c
  drivers/iis_lock_${FARMHAND_SYSTEM}.c
  drivers/iis_look.c
  drivers/iis_parse.c
  drivers/iis_probe.c
  drivers/iis_services.c
  drivers/iis_settings.c
  drivers/iis_signs.c
  drivers/iis_xml.c
  drivers/scm.c
  drivers/scm_act.c
  drivers/scm_codes.c
  drivers/scm_facts_${FARMHAND_SYSTEM}.c
  drivers/scm_lab.c
  drivers/scm_machine.c
  drivers/scm_names_${FARMHAND_SYSTEM}.c
  drivers/tcp_${FARMHAND_SYSTEM}.c
  drivers/view.c
)
if(WIN32)
  target_sources(farmhand_drivers PRIVATE drivers/counters_win32.c drivers/event_log_win32.c drivers/guard_win32.c
                                          drivers/scm_calls_win32.c drivers/scm_machine_win32.c drivers/scm_win32.c)
  target_link_libraries(farmhand_drivers PRIVATE advapi32 dbghelp pdh psapi version wevtapi)
endif()
target_link_libraries(farmhand_drivers PUBLIC farmhand_base farmhand_common farmhand_proto farmhand_agent_core
                                       PRIVATE farmhand_home PkgConfig::EXPAT PkgConfig::JANSSON)
