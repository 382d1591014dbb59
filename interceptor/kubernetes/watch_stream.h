// WatchStream: parses the events of a watch from the bytes of its answer: one JSON object per line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/result.h"

namespace fsm {

struct WatchEvent {
    enum class Kind : std::uint8_t { changed, removed, bookmark, failed } kind;
    nlohmann::json object;  // the API object; with `failed` a Status
    std::string version;    // its resourceVersion; empty with `failed`
    int failure_code = 0;   // of the Status: 410: the resourceVersion has expired
    std::string failure_text;
};

class WatchStream {
  public:
    // The limit of one event's size.
    explicit WatchStream(std::size_t line_limit = std::size_t{8} << 20) : line_limit_(line_limit) {}

    // Takes the next bytes and passes the events that they complete, until `use` returns false. An
    // Error: the stream is garbled, and what follows cannot be trusted.
    Result<void> feed(std::string_view bytes, const std::function<bool(WatchEvent)>& use);
    // Whether the stream broke off within an event.
    bool is_within_event() const { return !pending_.empty(); }

  private:
    const std::size_t line_limit_;
    std::string pending_;  // the beginning of a line
};

}  // namespace fsm
