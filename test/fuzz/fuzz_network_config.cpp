// Any stdin: no crash, and what is passed on is a JSON object that means what the input meant.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "cni-plugin/network_config.h"
#include "cni-plugin/protocol_version.h"
#include "test/fuzz/check.h"

namespace {

using fsm::fuzz::require;

void check_previous_result(std::string_view text, const std::string& result) {
    const auto whole = nlohmann::json::parse(text);
    require(nlohmann::json::parse(result) == whole.at("prevResult"));
    require(result.front() == '{' && result.back() == '}');
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const fsm::plugin::Verb verb :
         {fsm::plugin::Verb::add, fsm::plugin::Verb::del, fsm::plugin::Verb::gc}) {
        auto config = fsm::plugin::parse_network_config(text, verb);
        if (config && config->previous_result) {
            check_previous_result(text, *config->previous_result);
        }
        require(config || static_cast<int>(config.error().code) != 0);
    }
    require(fsm::plugin::is_supported_cni_version(fsm::plugin::answer_version(text)));
    return 0;
}
