// The mode of interception (trafficInterceptionMode), and its data path.
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
    none,      // nothing is intercepted
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

// Hands the pods of an earlier process's mode over, one by one; mode none removes its data path
// here.
Result<std::unique_ptr<Datapath>> open_datapath(InterceptionMode mode,
                                                const DatapathOptions& options);

// Removes the data paths of all modes. Continues after a failure; the error lists all failures.
Result<void> uninstall_datapaths(const DatapathOptions& options);

}  // namespace fsm
