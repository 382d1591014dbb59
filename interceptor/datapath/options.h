// The options of the data path of mode ebpf.
#pragma once

#include <cstdint>
#include <string>

#include "interceptor/datapath/feature.h"

namespace fsm {

struct DatapathOptions {
    // Pins are in <bpffs>/<name>.
    std::string bpffs = "/sys/fs/bpf";
    // Mount a missing bpffs. False: it is an error, because a mount would end with this process's
    // mount namespace, and so would the pins.
    bool mount_bpffs = true;
    std::string name = "fsm";
    // Empty: found by mount type, otherwise mounted below the run directory.
    std::string cgroup;
    std::string run_directory = "/var/run/fsm";
    // The processes whose descriptors are duplicated ("/host/proc" in a container).
    std::string proc = "/proc";

    std::uint32_t max_pods = 4096;
    std::uint32_t max_policy_entries = 65536;  // ports, and ranges
    std::uint32_t max_connections = 262144;    // accelerated, in handshake, tc flows
    std::uint32_t unread_limit_bytes = 1U << 20;
    // Smaller messages go by TCP while their reader has unread data. 0: none. Faster for streams of
    // small writes, but then one read ends where the two queues meet (docs).
    std::uint32_t coalesce_below_bytes = 0;

    // Features that are not loaded, although the kernel supports them.
    FeatureSet disabled_features;

    bool kernel_tracing = false;  // bpf_printk for every decision
    // The kernel counts and times the runs of all BPF programs of the node, which costs each run
    // some tens of nanoseconds.
    bool program_statistics = false;

    bool operator==(const DatapathOptions&) const = default;
};

}  // namespace fsm
