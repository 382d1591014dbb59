# The headers that most sources include are compiled once, not by every source again.
#
# The preset `debug` does so, `release` does not. So each source of the product must include everything
# that it uses; and g++ 12, which does not treat system headers as such in a precompiled header, would
# warn at -O2 about the C++ library itself (-Warray-bounds).
option(FSM_PRECOMPILED_HEADERS "Compile the headers that most sources read only once" OFF)

# fsm_precompiled_headers(HEADERS TARGET…): the targets use the precompiled header of the library
# HEADERS. g++ refuses it, as an error, if a relevant compiler option differs.
function(fsm_precompiled_headers HEADERS)
  if(FSM_PRECOMPILED_HEADERS)
    foreach(target IN LISTS ARGN)
      target_precompile_headers(${target} REUSE_FROM ${HEADERS})
      # ccache preprocesses the sources; this option keeps the include of the header intact.
      target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
    endforeach()
  endif()
endfunction()

# fsm_compile_headers(NAME HEADERS…): a library that exists only for its precompiled header. It cannot
# contain a header with macros that its users define differently (httplib.h, fmt).
function(fsm_compile_headers NAME)
  if(FSM_PRECOMPILED_HEADERS)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/${NAME}.cpp)
    file(CONFIGURE OUTPUT ${source} CONTENT "// Nothing: see cmake/precompiled_headers.cmake.\n")
    add_library(${NAME} OBJECT EXCLUDE_FROM_ALL ${source})
    target_link_libraries(${NAME} PRIVATE fsm_options)
    target_precompile_headers(${NAME} PRIVATE ${ARGN})
  endif()
endfunction()

set(FSM_STANDARD_HEADERS
    <algorithm> <array> <atomic> <charconv> <chrono> <condition_variable> <deque> <filesystem>
    <fstream> <functional> <iostream> <map> <memory> <mutex> <optional> <set> <span> <sstream>
    <string> <string_view> <thread> <utility> <variant> <vector>)

# Every header in it, used or not, costs each source a little (nlohmann-json's inline functions most):
# hence one with it and one without.
fsm_compile_headers(fsm_headers ${FSM_STANDARD_HEADERS})
fsm_compile_headers(fsm_json_headers ${FSM_STANDARD_HEADERS} <nlohmann/json.hpp>)
