// RequestBuffer: collects the bytes of one HTTP request until it is complete, so that no thread
// waits for a slow client. It parses only as much of HTTP/1.1 as is needed to find the request's
// end; the router parses the rest.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace fsm {

class RequestBuffer {
  public:
    explicit RequestBuffer(std::size_t max_body) : max_body_(max_body) {}

    enum class State : std::uint8_t { incomplete, complete, refused };

    State append(std::string_view bytes);
    bool empty() const { return bytes_.empty(); }

    // If refused: the status of the answer (400, 411, 413, 415, 431), and the reason.
    int status() const { return status_; }
    const std::string& reason() const { return reason_; }

    // If complete: the request, without later bytes of the client.
    std::string take();

  private:
    State refuse(int status, std::string reason);
    State read_header();

    const std::size_t max_body_;
    std::string bytes_;
    std::optional<std::size_t> total_;  // header and body; known when the header is complete
    int status_ = 0;
    std::string reason_;
};

}  // namespace fsm
