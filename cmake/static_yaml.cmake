# yaml-cpp is linked from its archive: fsm is one file for any Linux that an operator works on, and nothing else
# that it is linked with is a library of its own. Found here, at the top, its target is the same everywhere.
find_package(yaml-cpp REQUIRED)
find_library(FSM_YAML_CPP_ARCHIVE libyaml-cpp.a REQUIRED)
get_target_property(configurations yaml-cpp IMPORTED_CONFIGURATIONS)
foreach(configuration IN LISTS configurations)
  set_target_properties(yaml-cpp PROPERTIES
    IMPORTED_LOCATION_${configuration} ${FSM_YAML_CPP_ARCHIVE} IMPORTED_NO_SONAME_${configuration} ON
    IMPORTED_NO_SONAME ON)
endforeach()
