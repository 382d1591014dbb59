#include "common/http/response_parser.h"

#include <algorithm>
#include <charconv>

namespace fsm::http {

namespace {

constexpr std::size_t kMaxLine = 8192;

Error protocol_error(const std::string& what) {
    return Error("not a valid HTTP response: " + what, EPROTO);
}

// A part of the peer's data, quoted for a message.
std::string quote(std::string_view text) {
    constexpr std::size_t kShown = 40;
    std::string shown(text.substr(0, kShown));
    std::replace_if(
        shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return "\"" + shown + (text.size() > kShown ? "...\"" : "\"");
}

char to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equals_ignoring_case(std::string_view left, std::string_view right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                      [](char a, char b) { return to_lower(a) == to_lower(b); });
}

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<std::size_t> parse_number(std::string_view digits, int base) {
    std::size_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, failure] = std::from_chars(digits.data(), end, value, base);
    if (failure != std::errc() || stop != end || digits.empty()) {
        return std::nullopt;
    }
    return value;
}

Error too_large(std::size_t max_bytes) {
    return Error("the answer is larger than " + std::to_string(max_bytes) + " bytes", EMSGSIZE);
}

}  // namespace

Result<bool> ResponseParser::feed(std::string_view bytes) {
    received_ += bytes.size();
    if (received_ > max_bytes_) {
        return too_large(max_bytes_);
    }
    pending_ += bytes;
    while (state_ != State::complete) {
        FSM_ASSIGN(const bool advanced, step());
        if (!advanced) {
            return false;
        }
    }
    return true;
}

Result<Response> ResponseParser::finish() {
    if (state_ != State::complete && state_ != State::body_until_close) {
        return Error("the connection was closed before the answer was complete, after " +
                         std::to_string(received_) + " bytes",
                     ECONNRESET);
    }
    return std::move(response_);
}

Result<bool> ResponseParser::step() {
    switch (state_) {
        case State::status_line:
            return parse_status_line();
        case State::headers:
            return parse_header();
        case State::sized_body:
            return take_body(State::complete);
        case State::chunk_size:
            return parse_chunk_size();
        case State::chunk_data:
            return take_body(State::chunk_end);
        case State::chunk_end:
            return parse_chunk_end();
        case State::trailers:
            return parse_trailer();
        case State::body_until_close:
            response_.body += pending_;
            pending_.clear();
            return false;
        case State::complete:
            break;
    }
    return false;
}

Result<std::optional<std::string>> ResponseParser::take_line() {
    const auto end = pending_.find('\n');
    if (std::min(end, pending_.size()) > kMaxLine) {
        return protocol_error("a line of more than " + std::to_string(kMaxLine) + " bytes");
    }
    if (end == std::string::npos) {
        return std::optional<std::string>();
    }
    std::string line = pending_.substr(0, end);
    pending_.erase(0, end + 1);
    if (line.ends_with('\r')) {
        line.pop_back();
    }
    return std::optional<std::string>(std::move(line));
}

Result<bool> ResponseParser::parse_status_line() {
    constexpr std::string_view kProtocol = "HTTP/1.";
    constexpr std::size_t kCodeAt = 9;  // behind "HTTP/1.1 "
    constexpr std::size_t kCodeDigits = 3;
    // Other protocols must be detected at once, not at the end of an endless line.
    const std::string_view start = std::string_view(pending_).substr(0, kProtocol.size());
    if (!kProtocol.starts_with(start)) {
        return protocol_error("it starts with " + quote(pending_));
    }
    FSM_ASSIGN(const std::optional<std::string> line, take_line());
    if (!line) {
        return false;
    }
    const std::string_view text = *line;
    const auto code =
        text.size() < kCodeAt ? std::nullopt : parse_number(text.substr(kCodeAt, kCodeDigits), 10);
    const bool ends_well =
        text.size() == kCodeAt + kCodeDigits ||
        (text.size() > kCodeAt + kCodeDigits && text[kCodeAt + kCodeDigits] == ' ');
    if (!code || *code < 100 || text[kCodeAt - 1] != ' ' || !ends_well) {
        return protocol_error("bad status line " + quote(text));
    }
    response_.status = static_cast<int>(*code);
    state_ = State::headers;
    return true;
}

Result<bool> ResponseParser::parse_header() {
    FSM_ASSIGN(const std::optional<std::string> line, take_line());
    if (!line) {
        return false;
    }
    if (line->empty()) {
        FSM_TRY(begin_body());
    } else {
        FSM_TRY(parse_header_line(*line));
    }
    return true;
}

Result<void> ResponseParser::parse_header_line(std::string_view line) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) {
        return protocol_error("bad header " + quote(line));
    }
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trim(line.substr(colon + 1));
    if (equals_ignoring_case(name, "content-length")) {
        return parse_content_length(value);
    }
    if (equals_ignoring_case(name, "transfer-encoding")) {
        if (!equals_ignoring_case(value, "chunked")) {
            return protocol_error("unknown transfer encoding " + quote(value));
        }
        is_chunked_ = true;
    }
    return {};
}

Result<void> ResponseParser::parse_content_length(std::string_view value) {
    const auto length = parse_number(value, 10);
    if (!length || (content_length_ && *content_length_ != *length)) {
        return protocol_error("bad Content-Length " + quote(value));
    }
    if (*length > max_bytes_) {
        return too_large(max_bytes_);
    }
    content_length_ = length;
    return {};
}

Result<void> ResponseParser::begin_body() {
    constexpr int kFirstFinalStatus = 200;
    constexpr int kNoContent = 204;
    constexpr int kNotModified = 304;
    if (is_chunked_ && content_length_) {
        return protocol_error("both Content-Length and chunks");
    }
    if (response_.status < kFirstFinalStatus) {
        // 1xx, such as "100 Continue": the response itself follows.
        is_chunked_ = false;
        content_length_.reset();
        state_ = State::status_line;
    } else if (response_.status == kNoContent || response_.status == kNotModified) {
        state_ = State::complete;
    } else if (is_chunked_) {
        state_ = State::chunk_size;
    } else if (content_length_) {
        body_bytes_left_ = *content_length_;
        state_ = State::sized_body;
    } else {
        state_ = State::body_until_close;
    }
    return {};
}

Result<bool> ResponseParser::take_body(State after) {
    const std::size_t count = std::min(body_bytes_left_, pending_.size());
    response_.body.append(pending_, 0, count);
    pending_.erase(0, count);
    body_bytes_left_ -= count;
    if (body_bytes_left_ > 0) {
        return false;
    }
    state_ = after;
    return true;
}

Result<bool> ResponseParser::parse_chunk_size() {
    FSM_ASSIGN(const std::optional<std::string> line, take_line());
    if (!line) {
        return false;
    }
    const std::string_view text = *line;
    const auto size = parse_number(trim(text.substr(0, text.find(';'))), 16);
    if (!size) {
        return protocol_error("bad chunk size " + quote(text));
    }
    if (*size > max_bytes_) {
        return too_large(max_bytes_);
    }
    body_bytes_left_ = *size;
    state_ = *size == 0 ? State::trailers : State::chunk_data;
    return true;
}

Result<bool> ResponseParser::parse_chunk_end() {
    FSM_ASSIGN(const std::optional<std::string> line, take_line());
    if (!line) {
        return false;
    }
    if (!line->empty()) {
        return protocol_error("a chunk is longer than it says");
    }
    state_ = State::chunk_size;
    return true;
}

Result<bool> ResponseParser::parse_trailer() {
    FSM_ASSIGN(const std::optional<std::string> line, take_line());
    if (!line) {
        return false;
    }
    if (line->empty()) {
        state_ = State::complete;
    }
    return true;
}

}  // namespace fsm::http
