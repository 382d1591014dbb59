# fsm_bpf_object(NAME SOURCES...): compiles BPF sources with clang, links them into one object and
# makes the libbpf skeleton <NAME>.skel.h, which embeds it: no compiler is needed on the node.
find_program(CLANG NAMES clang clang-14 REQUIRED)
find_program(BPFTOOL bpftool PATHS /usr/sbin /sbin REQUIRED)
find_program(LLVM_STRIP NAMES llvm-strip llvm-strip-14 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET libbpf>=1.0)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
  set(BPF_TARGET_ARCH x86)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(BPF_TARGET_ARCH arm64)
else()
  message(FATAL_ERROR "no BPF target architecture is known for ${CMAKE_SYSTEM_PROCESSOR}")
endif()

function(fsm_bpf_object NAME)
  set(objects)
  foreach(source IN LISTS ARGN)
    get_filename_component(stem ${source} NAME_WE)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${NAME}.${stem}.bpf.o)
    add_custom_command(
      OUTPUT ${object}
      COMMAND
        ${CLANG} -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Werror
        -ffile-prefix-map=${PROJECT_SOURCE_DIR}/= -fdebug-compilation-dir=.
        -Wno-unused-parameter -D__TARGET_ARCH_${BPF_TARGET_ARCH}
        -I${CMAKE_CURRENT_SOURCE_DIR} -I${PROJECT_SOURCE_DIR}
        -idirafter ${CMAKE_SYSROOT}/usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
        -MD -MF ${object}.d -MT ${object} -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
      DEPENDS ${source}
      DEPFILE ${object}.d
      COMMENT "BPF ${source}"
      VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  set(linked ${CMAKE_CURRENT_BINARY_DIR}/${NAME}.bpf.o)
  set(skeleton ${PROJECT_BINARY_DIR}/generated/bpf/${NAME}.skel.h)
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/generated/bpf)
  add_custom_command(
    OUTPUT ${linked} ${skeleton}
    COMMAND ${BPFTOOL} gen object ${linked} ${objects}
    COMMAND ${LLVM_STRIP} -g ${linked}
    COMMAND sh -c "'${BPFTOOL}' gen skeleton '${linked}' name '${NAME}' > '${skeleton}'"
    DEPENDS ${objects}
    COMMENT "BPF skeleton ${NAME}"
    VERBATIM)
  add_custom_target(${NAME}_skeleton DEPENDS ${skeleton})
  add_library(${NAME} INTERFACE)
  add_dependencies(${NAME} ${NAME}_skeleton)
  target_include_directories(${NAME} INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
  target_link_libraries(${NAME} INTERFACE PkgConfig::LIBBPF)
endfunction()
