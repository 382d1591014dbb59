// The bytes of a watch, cut anywhere: no crash, and the same events as in one piece. Of each object
// a pod, or a message that prints.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "interceptor/kubernetes/pod_json.h"
#include "interceptor/kubernetes/watch_stream.h"
#include "test/fuzz/check.h"

namespace {

using fsm::fuzz::require;
using fsm::fuzz::require_printable;

constexpr std::size_t kLineLimit = 4096;

struct Outcome {
    std::vector<std::string> events;
    std::string error;
    bool is_within_event = false;

    bool operator==(const Outcome&) const = default;
};

std::string text_of(const fsm::WatchEvent& event) {
    return std::to_string(static_cast<int>(event.kind)) + " " + event.version + " " +
           std::to_string(event.failure_code) + " " + event.failure_text + " " +
           event.object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void read_pod(const fsm::WatchEvent& event) {
    if (event.kind == fsm::WatchEvent::Kind::changed) {
        const auto pod = fsm::read_api_pod(event.object);
        if (!pod) {
            require_printable(pod.error().message());
        }
    }
}

Outcome read(std::string_view text, std::size_t piece) {
    fsm::WatchStream stream(kLineLimit);
    Outcome outcome;
    while (!text.empty()) {
        const auto fed = stream.feed(text.substr(0, piece), [&](const fsm::WatchEvent& event) {
            outcome.events.push_back(text_of(event));
            read_pod(event);
            return true;
        });
        if (!fed) {
            outcome.error = fed.error().message();
            require_printable(outcome.error);
            return outcome;
        }
        text.remove_prefix(std::min(piece, text.size()));
    }
    outcome.is_within_event = stream.is_within_event();
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    require(read(text, text.size() + 1) == read(text, data[0] + std::size_t{1}));
    return 0;
}
