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
    CounterSeries{"connect_outbound", &kDecisions, "connect", "outbound", "listed"},
    CounterSeries{"connect_self", &kDecisions, "connect", "inbound", "self_call"},
    CounterSeries{"connect_refused", &kDecisions, "connect", "refused", "not_stored"},
    CounterSeries{"handshake_over_share", &kDecisions, "connect", "refused", "over_share"},
    CounterSeries{"inbound_steered", &kDecisions, "sk_lookup", "inbound", "listed"},
    CounterSeries{"inbound_no_listener", &kDecisions, "sk_lookup", "refused", "no_listener"},
    CounterSeries{"inbound_rewritten", &kDecisions, "tc", "inbound", "listed"},
    CounterSeries{"inbound_tuple_taken", &kDecisions, "tc", "refused", "tuple_taken"},
    CounterSeries{"inbound_hidden", &kDecisions, "tc", "refused", "header_hidden"},
    CounterSeries{"message_redirected", &kMessages, "", "redirected", "peer_keeps_up"},
    CounterSeries{"message_no_peer", &kMessages, "", "tcp", "no_peer"},
    CounterSeries{"message_behind_tcp", &kMessages, "", "tcp", "behind_tcp"},
    CounterSeries{"message_coalesced", &kMessages, "", "tcp", "coalesced"},
    CounterSeries{"message_over_limit", &kMessages, "", "tcp", "over_limit"},
};

}  // namespace fsm::metric
