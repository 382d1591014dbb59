#include "interceptor/interception/open_socket.h"

#include <array>

namespace fsm {

std::string Endpoint::to_string() const {
    const std::string text = address.to_string();
    return (address.is_v4() ? text : "[" + text + "]") + ":" + std::to_string(port);
}

std::string tcp_state_name(std::uint8_t state) {
    static constexpr std::array kNames = {
        "NONE",  "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",   "TIME_WAIT",
        "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV"};
    return state < kNames.size() ? kNames[state] : "state " + std::to_string(state);
}

}  // namespace fsm
