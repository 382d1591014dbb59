# The headers that most sources read are compiled once, not by every source again.
#
# The preset `debug` does so, `release` does not. There each source of the product has to include all
# that it uses, or it does not compile; and g++ 12, which forgets with a precompiled header what is a
# system header, warns at -O2 about the C++ library itself (-Warray-bounds).
option(FSM_PRECOMPILED_HEADERS "Compile the headers that most sources read only once" OFF)

# fsm_precompiled_headers(HEADERS TARGET…): the targets use the precompiled header of the library
# HEADERS. g++ refuses it, as an error, where an option differs that matters to it.
function(fsm_precompiled_headers HEADERS)
  if(FSM_PRECOMPILED_HEADERS)
    foreach(target IN LISTS ARGN)
      target_precompile_headers(${target} REUSE_FROM ${HEADERS})
      # ccache preprocesses, and this leaves the header in one piece.
      target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
    endforeach()
  endif()
endfunction()

# fsm_compile_headers(NAME HEADERS…): a library that exists for its precompiled header only. A header
# with macros that not all who use it define alike (httplib.h, fmt) cannot be in it.
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

# Whatever is in the header, used or not, costs each source a little (nlohmann-json's inline functions
# most): hence one with and one without.
fsm_compile_headers(fsm_headers ${FSM_STANDARD_HEADERS})
fsm_compile_headers(fsm_json_headers ${FSM_STANDARD_HEADERS} <nlohmann/json.hpp>)
