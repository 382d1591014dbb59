// How the data path's counters (FSM_COUNTERS in bpf/abi.h) become series of /metrics: counters that
// are parts of one whole share a name and differ by their labels, so that a query can add them up.
// A counter that is not in the table is fsm_NAME_total.
#pragma once

#include <array>
#include <string_view>

#include "interceptor/api/metric_table.h"

namespace fsm::metric {

struct CounterSeries {
    std::string_view counter;
    const Description* family;
    std::string_view hook;     // empty: no such label
    std::string_view verdict;  // of a decision; the way of a message
    std::string_view reason;
};

inline constexpr std::array kCounterSeries = {
    CounterSeries{"connect_outbound", &kDecisions, "connect", "redirected", "outbound"},
    CounterSeries{"connect_self", &kDecisions, "connect", "redirected", "self-call"},
    CounterSeries{"connect_refused", &kDecisions, "connect", "refused", "no-memory"},
    CounterSeries{"handshake_over_share", &kDecisions, "connect", "refused", "over-share"},
    CounterSeries{"inbound_steered", &kDecisions, "sk_lookup", "redirected", "inbound"},
    CounterSeries{"inbound_no_listener", &kDecisions, "sk_lookup", "refused",
                  "no-inbound-listener"},
    CounterSeries{"inbound_rewritten", &kDecisions, "tc", "redirected", "inbound"},
    CounterSeries{"inbound_tuple_taken", &kDecisions, "tc", "refused", "tuple-taken"},
    CounterSeries{"inbound_hidden", &kDecisions, "tc", "refused", "hidden-header"},
    CounterSeries{"message_redirected", &kMessages, "", "redirected", "message-moved"},
    CounterSeries{"message_no_peer", &kMessages, "", "tcp", "message-no-peer"},
    CounterSeries{"message_behind_tcp", &kMessages, "", "tcp", "message-behind-tcp"},
    CounterSeries{"message_coalesced", &kMessages, "", "tcp", "message-coalesced"},
    CounterSeries{"message_over_limit", &kMessages, "", "tcp", "message-over-limit"},
};

}  // namespace fsm::metric
