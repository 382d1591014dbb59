// The data path of mode ebpf: the BPF programs and maps of this node.
//
// The kernel holds the state: programs are attached by pinned links, maps are pinned, and both
// outlive this process. Opening adopts the state of an earlier process, replaces its programs
// atomically, and does not affect open connections.
#pragma once

#include <memory>

#include "common/result.h"
#include "interceptor/datapath/options.h"
#include "interceptor/interception/datapath.h"

namespace fsm {

// Mounts missing file systems, probes the kernel, loads, pins, and attaches or adopts.
Result<std::unique_ptr<Datapath>> open_kernel_datapath(const DatapathOptions& options);

// Whether an earlier process has left pins.
Result<bool> has_left_programs(const DatapathOptions& options);

// Removes every pin, link, filter and mount of this instance, including those of an earlier
// process, and those in the network namespaces of living pods. The error lists what cannot be
// removed.
Result<void> uninstall_kernel_datapath(const DatapathOptions& options);

}  // namespace fsm
