// Any answer, cut anywhere: no crash, nothing over the limit, and the same outcome as in one piece.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/http/response_parser.h"
#include "test/fuzz/check.h"

namespace {

using fsm::fuzz::require;

fsm::Result<fsm::http::Response> parse(std::string_view text, std::size_t piece) {
    fsm::http::ResponseParser parser;
    while (!text.empty()) {
        FSM_ASSIGN(const bool complete, parser.feed(text.substr(0, piece)));
        if (complete) {
            break;
        }
        text.remove_prefix(std::min(piece, text.size()));
    }
    return parser.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::size_t piece = data[0] + std::size_t{1};
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto whole = parse(text, text.size() + 1);
    const auto cut = parse(text, piece);
    require(static_cast<bool>(whole) == static_cast<bool>(cut));
    if (whole) {
        require(whole->status == cut->status && whole->body == cut->body);
        require(whole->status >= 200 && whole->body.size() <= fsm::http::kMaxResponse);
    }
    return 0;
}
