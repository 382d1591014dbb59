# The same sources give the same bytes in whatever folder they lie, with and without ccache, which makes paths
# relative by itself (base_dir): names in the programs and in their debug information are relative to the
# build, and that is /usr/src/fsm/build/release everywhere. Of several prefixes that match, the last counts.
set(FSM_PREFIX_MAPS
    -ffile-prefix-map=${PROJECT_SOURCE_DIR}=../..
    -ffile-prefix-map=${PROJECT_BINARY_DIR}=/usr/src/fsm/build/release
    -ffile-prefix-map=${PROJECT_BINARY_DIR}/=)
if(CMAKE_SYSROOT)
  file(RELATIVE_PATH relative ${PROJECT_BINARY_DIR} ${CMAKE_SYSROOT})
  list(APPEND FSM_PREFIX_MAPS -ffile-prefix-map=${CMAKE_SYSROOT}= -ffile-prefix-map=${relative}=)
endif()
add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:${FSM_PREFIX_MAPS}>")

# What each program is linked with, archives included, as the linker says it: for the list of parts
# (scripts/lib/sbom.py).
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/linked)
set(FSM_LINKED_FILES ${PROJECT_BINARY_DIR}/linked/$<TARGET_PROPERTY:NAME>.d)
add_link_options(
  "$<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-Wl,--dependency-file=${FSM_LINKED_FILES}>")
