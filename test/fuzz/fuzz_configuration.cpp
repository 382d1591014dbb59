// Any text as the interceptor's configuration: no crash, messages that print, and what is read can
// be used.
#include "interceptor/config.h"
#include "test/fuzz/input_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const fsm::fuzz::InputFile file(data, size);
    fsm::Config config;
    const auto read = fsm::read_config_file(file.path(), config);
    if (!read) {
        fsm::fuzz::require_printable(read.error().message());
        return 0;
    }
    fsm::fuzz::require(!config.socket.empty() && config.socket.front() == '/');
    fsm::fuzz::require(config.datapath.max_pods > 0 && config.datapath.max_connections > 0);
    fsm::fuzz::require(config.datapath.name.find('/') == std::string::npos);
    (void)config.enroller_options();
    (void)config.install_options();
    return 0;
}
