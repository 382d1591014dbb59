// RequestBuffer: collects the bytes of one HTTP request until it is complete, so that no thread
// ever waits for a slow client. It knows just enough of HTTP/1.1 to tell where a request ends; what
// the request says is read by the router.
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

    // When refused: the status to answer with (400, 411, 413, 415, 431), and why.
    int status() const { return status_; }
    const std::string& reason() const { return reason_; }

    // When complete: the request, without what the client sent behind it.
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
