// The pins and notes of one pod below <root>/pods/<cookie>: see pins.h.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/netns.h"
#include "common/result.h"
#include "interceptor/datapath/pins.h"
#include "interceptor/datapath/tc_filters.h"

namespace fsm {

struct PodPins {
    std::uint64_t netns_cookie = 0;
    std::optional<ino_t> netns_inode;
    std::vector<TcInterface> interfaces;
};

// Every pod that has pins.
Result<std::vector<std::uint64_t>> pinned_pods(const PinTree& tree);
Result<PodPins> read_pod_pins(const PinTree& tree, std::uint64_t netns_cookie);

Result<void> remember_netns(const PinTree& tree, std::uint64_t netns_cookie, ino_t inode);
// An existing note keeps its owner of the qdisc: the qdisc that is found now may be ours.
Result<void> remember_interface(const PinTree& tree, std::uint64_t netns_cookie,
                                const TcInterface& interface);
Result<void> forget_interface(const PinTree& tree, std::uint64_t netns_cookie,
                              const TcInterface& interface);

}  // namespace fsm
