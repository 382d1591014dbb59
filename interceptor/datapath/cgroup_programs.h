// The programs of every owner at the hooks of a cgroup that a connection passes: another one's,
// such as a load balancer for sockets, sees it before or after ours, and may rewrite it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"

namespace fsm {

struct CgroupProgram {
    std::string hook;  // "connect4"
    std::uint32_t id = 0;
    std::string name;  // as bpftool shows it, at most 15 characters
};

// Those that are attached to this directory of a cgroup2 file system, by hook, in the order in
// which the kernel calls them.
Result<std::vector<CgroupProgram>> cgroup_programs(const std::string& cgroup);

}  // namespace fsm
