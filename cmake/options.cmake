# Compiler settings for this project's targets: link `fsm_options` PRIVATE.
set(FSM_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= names them: address,undefined or thread")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  # ccache needs this to cache what is compiled with a precompiled header. It is safe: neither the
  # sources nor these headers use __DATE__ or __TIME__.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()

add_library(fsm_options INTERFACE)
target_compile_options(fsm_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                             -Wno-sign-conversion -Werror)
if(FSM_SANITIZE)
  # For the whole tree, including dependencies between its libraries.
  add_compile_options(-fsanitize=${FSM_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=${FSM_SANITIZE})
endif()
include(cmake/hardening.cmake)
