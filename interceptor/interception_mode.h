// The mode of interception (trafficInterceptionMode), and the data path that it means.
//
// A node ends with exactly one mechanism, whatever ran before: see docs/modes.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "common/result.h"
#include "interceptor/datapath/options.h"
#include "interceptor/interception/datapath.h"

namespace fsm {

enum class InterceptionMode : std::uint8_t {
    ebpf,
    iptables,  // the meshes' own rules, for kernels that are too old
    none,      // every pod is let through
};

constexpr std::string_view to_string(InterceptionMode mode) {
    switch (mode) {
        case InterceptionMode::ebpf:
            return "ebpf";
        case InterceptionMode::iptables:
            return "iptables";
        case InterceptionMode::none:
            return "none";
    }
    return "?";
}

// What an earlier process has left in another mode is handed over pod by pod; in mode none it is
// removed here.
Result<std::unique_ptr<Datapath>> open_datapath(InterceptionMode mode,
                                                const DatapathOptions& options);

// Removes the data paths of all modes. Goes on after a failure; the error says all of them.
Result<void> uninstall_datapaths(const DatapathOptions& options);

}  // namespace fsm
