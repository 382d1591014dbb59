// Any text as a runtime's CNI configuration: no crash; our entry goes in once, comes out again to
// the byte, and what a runtime can use before, it can use after.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "interceptor/install/chain_text.h"
#include "test/fuzz/check.h"

namespace {

using fsm::fuzz::require;

constexpr std::string_view kEntry = R"({"type":"fsm-cni","socket":"/var/run/fsm-cni.sock"})";

void check_list(std::string_view list) {
    const bool had = fsm::has_entry(list);
    const std::string with = fsm::with_entry(list, kEntry);
    require(static_cast<bool>(fsm::validate_config(fsm::ConfigForm::list, with)));
    require(fsm::has_entry(with));
    require(fsm::with_entry(with, kEntry) == with);
    const std::string without = fsm::without_entry(with);
    require(!fsm::has_entry(without));
    require(had || without == list);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)static_cast<bool>(fsm::validate_plugin(text));
    if (fsm::validate_config(fsm::ConfigForm::list, text)) {
        (void)fsm::network_of(text);
        if (!fsm::plugin_folder_of(text)) {
            check_list(text);
        }
    }
    if (fsm::validate_config(fsm::ConfigForm::single, text)) {
        (void)fsm::network_of(text);
        check_list(fsm::as_list(text));
    }
    return 0;
}
