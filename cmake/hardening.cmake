# What makes a memory fault hard to exploit: the daemon runs as root on the node, and the container
# runtime runs the plugin as root. test/cni/test_hardening.py checks each of these in the binaries.
#
# A sanitizer finds such faults by itself, and gcc's does not go together with all of these.
option(FSM_HARDENING "Compile and link so that memory faults are hard to exploit" ON)
if(FSM_SANITIZE OR NOT FSM_HARDENING)
  return()
endif()

add_compile_options(-fPIE -fstack-protector-strong -fstack-clash-protection)
add_compile_definitions($<$<COMPILE_LANGUAGE:CXX>:_GLIBCXX_ASSERTIONS>)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
  add_compile_options(-fcf-protection)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  add_compile_options(-mbranch-protection=standard)
endif()
# It checks what the optimiser knows, and warns when there is none.
add_compile_options($<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
                    $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
# A static program asks for -static-pie itself (cni-plugin and cli).
add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack)
