// Any text as a kubeconfig: no crash, messages that print, and an access that leads to one host.
#include "interceptor/kubernetes/kubeconfig.h"
#include "test/fuzz/input_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const fsm::fuzz::InputFile file(data, size);
    const auto access = fsm::read_kubeconfig(file.path());
    if (!access) {
        fsm::fuzz::require_printable(access.error().message());
        return 0;
    }
    fsm::fuzz::require(!access->host.empty() && access->port != 0);
    fsm::fuzz::require(access->host.find_first_of("/@ \r\n") == std::string::npos);
    fsm::fuzz::require(access->path_prefix.find_first_of(" \r\n") == std::string::npos);
    fsm::fuzz::require(access->client_certificate.is_given() == access->client_key.is_given());
    return 0;
}
