// The interceptor's list of open connections, chosen, sorted and as text for users.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "common/ip_address.h"
#include "common/result.h"
#include "interceptor/client/output.h"

namespace fsm {

enum class ConnectionOrder : std::uint8_t {
    pod,          // and within it by destination and kind
    destination,  // by address and port
    age,          // the newest first
    bytes,        // the one that carried most first
    unread,       // the one with most unread bytes first
};

// Which connections to show: those that match everything that is set.
struct ConnectionQuery {
    std::string pod;         // NAMESPACE/NAME of either end
    std::optional<Cidr> to;  // contains the destination's address
    std::uint16_t port = 0;  // of the destination
    ConnectionOrder order = ConnectionOrder::pod;
};

// `lines`: the answer of GET /v1/connections, one JSON object per line.
Result<std::vector<nlohmann::json>> choose_connections(const std::string& lines,
                                                       const ConnectionQuery& query);

// A table with a heading; wide: with sockets, users and the reason; JSON: one object per line.
Result<std::string> connections_text(const std::vector<nlohmann::json>& connections,
                                     OutputFormat format);

// "17", "1.4K", "20M": at most four characters up to a thousand terabytes.
std::string short_size(std::uint64_t bytes);
// "0s", "59s", "3m20s", "2h5m", "4d2h".
std::string short_age(double seconds);

}  // namespace fsm
