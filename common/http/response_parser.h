// Parses an HTTP/1.1 response incrementally. The input is not trusted: every length is bounded.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"

namespace fsm::http {

struct Response {
    int status = 0;
    std::string body;
};

// The limit of all bytes of a response, unless another one is given: head, body, and the framing of
// chunks.
inline constexpr std::size_t kMaxResponse = std::size_t{1} << 20;

// Feed it until it reports a complete response, or report the end of the stream. After an error it
// must not be fed again. Errors: EPROTO (not an HTTP/1.x response), EMSGSIZE (too large),
// ECONNRESET (the peer closed in the middle of it).
class ResponseParser {
  public:
    explicit ResponseParser(std::size_t max_bytes = kMaxResponse) : max_bytes_(max_bytes) {}

    // True if the response is complete; bytes after it are ignored.
    Result<bool> feed(std::string_view bytes);
    // The response, if HTTP allows the stream to end here.
    Result<Response> finish();

  private:
    enum class State {
        status_line,
        headers,
        sized_body,
        chunk_size,
        chunk_data,
        chunk_end,
        trailers,
        body_until_close,
        complete
    };

    // One step of the state machine; false if it needs more bytes.
    Result<bool> step();
    Result<bool> parse_status_line();
    Result<bool> parse_header();
    Result<void> parse_header_line(std::string_view line);
    Result<void> parse_content_length(std::string_view value);
    Result<void> begin_body();
    Result<bool> take_body(State after);
    Result<bool> parse_chunk_size();
    Result<bool> parse_chunk_end();
    Result<bool> parse_trailer();
    // The next line without its line end; nothing if it is incomplete.
    Result<std::optional<std::string>> take_line();

    std::size_t max_bytes_;
    State state_ = State::status_line;
    std::string pending_;
    std::size_t received_ = 0;
    std::optional<std::size_t> content_length_;
    bool is_chunked_ = false;
    std::size_t body_bytes_left_ = 0;
    Response response_;
};

}  // namespace fsm::http
