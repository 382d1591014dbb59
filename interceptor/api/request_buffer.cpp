#include "interceptor/api/request_buffer.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

namespace fsm {

namespace {

constexpr std::size_t kMaxHeader = 16384;
constexpr std::string_view kHeaderEnd = "\r\n\r\n";
constexpr std::string_view kLineEnd = "\r\n";

std::string lower_case(std::string_view text) {
    std::string copy(text);
    std::transform(copy.begin(), copy.end(), copy.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return copy;
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<std::size_t> parse_length(std::string_view text) {
    std::size_t length = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (text.empty() || failure != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return length;
}

}  // namespace

RequestBuffer::State RequestBuffer::refuse(int status, std::string reason) {
    status_ = status;
    reason_ = std::move(reason);
    return State::refused;
}

RequestBuffer::State RequestBuffer::read_header() {
    const auto end = bytes_.find(kHeaderEnd);
    if (end > kMaxHeader) {  // npos is larger, too
        return bytes_.size() > kMaxHeader ? refuse(431, "the header is larger than " +
                                                            std::to_string(kMaxHeader) + " bytes")
                                          : State::incomplete;
    }
    std::optional<std::size_t> body;
    std::string_view lines(bytes_.data(), end);
    for (auto next = lines.find(kLineEnd); next != std::string_view::npos;
         next = lines.find(kLineEnd)) {
        lines.remove_prefix(next + kLineEnd.size());
        const std::string_view line = lines.substr(0, lines.find(kLineEnd));
        const auto colon = line.find(':');
        const std::string name = lower_case(line.substr(0, colon));
        const std::string_view value =
            colon == std::string_view::npos ? "" : trimmed(line.substr(colon + 1));
        if (name == "transfer-encoding") {
            return refuse(411, "send Content-Length instead of Transfer-Encoding");
        }
        // The limit of the body would not apply to the decompressed data.
        if (name == "content-encoding" && lower_case(value) != "identity") {
            return refuse(415, "Content-Encoding is not supported");
        }
        if (name == "content-length") {
            const auto length = parse_length(value);
            if (!length || (body && *body != *length)) {
                return refuse(400, "Content-Length is not one number");
            }
            body = length;
        }
    }
    if (body && *body > max_body_) {
        return refuse(413, "the body is larger than " + std::to_string(max_body_) + " bytes");
    }
    total_ = end + kHeaderEnd.size() + body.value_or(0);
    return State::complete;
}

RequestBuffer::State RequestBuffer::append(std::string_view bytes) {
    bytes_ += bytes;
    if (!total_) {
        if (const State header = read_header(); header != State::complete) {
            return header;
        }
    }
    return bytes_.size() >= *total_ ? State::complete : State::incomplete;
}

std::string RequestBuffer::take() {
    bytes_.resize(*total_);
    return std::move(bytes_);
}

}  // namespace fsm
