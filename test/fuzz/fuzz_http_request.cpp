// What a client sends to the interceptor's socket, cut anywhere: no crash, the same outcome as in
// one piece, and an answer that is HTTP. The route reads the plugin's request as the product does.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/cni/request.h"
#include "interceptor/api/http_router.h"
#include "interceptor/api/request_buffer.h"
#include "test/fuzz/check.h"

namespace {

using fsm::fuzz::require;
using State = fsm::RequestBuffer::State;

constexpr std::size_t kMaxBody = 4096;

fsm::HttpResponse create(const std::string& body) {
    const auto request = fsm::cni::parse_body(body);
    if (!request) {
        return {400, fsm::cni::error_body(request.error())};
    }
    const auto again = fsm::cni::parse_body(fsm::cni::to_body(*request));
    require(again && again->netns == request->netns && again->args == request->args &&
            again->stdin_data == request->stdin_data);
    const auto outcome = fsm::cni::check_request(*request, fsm::cni::Operation::add);
    (void)fsm::cni::pod_of(request->args);
    return {outcome ? 200 : 400, outcome ? "ok" : fsm::cni::error_body(outcome.error())};
}

std::string fault_body(fsm::HttpFault, const std::string& message, const std::string& details) {
    return message + details;
}

const fsm::HttpRouter& router() {
    static const auto* kRouter = [] {
        auto* made = new fsm::HttpRouter(fault_body);
        made->post(std::string(fsm::cni::kCreateRoute), create);
        made->get(std::string(fsm::cni::kStatusRoute),
                  [](const std::string&) { return fsm::HttpResponse(); });
        return made;
    }();
    return *kRouter;
}

struct Outcome {
    State state = State::incomplete;
    int status = 0;
    std::string request;

    bool operator==(const Outcome&) const = default;
};

Outcome read(std::string_view text, std::size_t piece) {
    fsm::RequestBuffer buffer(kMaxBody);
    Outcome outcome;
    while (!text.empty() && outcome.state == State::incomplete) {
        outcome.state = buffer.append(text.substr(0, piece));
        text.remove_prefix(std::min(piece, text.size()));
    }
    if (outcome.state == State::refused) {
        outcome.status = buffer.status();
        require(outcome.status >= 400 && outcome.status < 500 && !buffer.reason().empty());
    } else if (outcome.state == State::complete) {
        outcome.request = buffer.take();
    }
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Outcome whole = read(text, text.size() + 1);
    const Outcome cut = read(text, data[0] + std::size_t{1});
    require(whole == cut);
    if (whole.state == State::complete) {
        require(router().respond(whole.request).starts_with("HTTP/1.1 "));
    }
    return 0;
}
