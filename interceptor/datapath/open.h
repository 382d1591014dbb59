// The data path of mode ebpf: the BPF programs and maps of this node, seen from user space.
//
// The kernel holds the state: programs are attached by pinned links, maps are pinned, and both
// outlive this process. Opening the data path adopts what an earlier process left, replaces its
// programs atomically, and leaves open connections alone.
#pragma once

#include <memory>

#include "common/result.h"
#include "interceptor/datapath/options.h"
#include "interceptor/interception/datapath.h"

namespace fsm {

// Mounts what is missing, probes the kernel, loads, pins, attaches or adopts.
Result<std::unique_ptr<Datapath>> open_kernel_datapath(const DatapathOptions& options);

// Whether an earlier process has left anything pinned.
Result<bool> has_left_programs(const DatapathOptions& options);

// Removes every pin, link, filter and mount of this instance, also those of an earlier process, in
// the network namespaces of living pods too. What cannot be removed is in the error.
Result<void> uninstall_kernel_datapath(const DatapathOptions& options);

}  // namespace fsm
