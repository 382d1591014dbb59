#include "interceptor/datapath/cgroup_programs.h"

#include <bpf/bpf.h>
#include <fcntl.h>

#include <array>
#include <cerrno>

#include "common/fd.h"

namespace fsm {

namespace {

struct Hook {
    const char* name;
    bpf_attach_type type;
};

constexpr std::array<Hook, 11> kHooks = {{
    {"connect4", BPF_CGROUP_INET4_CONNECT},
    {"connect6", BPF_CGROUP_INET6_CONNECT},
    {"sendmsg4", BPF_CGROUP_UDP4_SENDMSG},
    {"sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
    {"recvmsg4", BPF_CGROUP_UDP4_RECVMSG},
    {"recvmsg6", BPF_CGROUP_UDP6_RECVMSG},
    {"getpeername4", BPF_CGROUP_INET4_GETPEERNAME},
    {"getpeername6", BPF_CGROUP_INET6_GETPEERNAME},
    {"getsockname4", BPF_CGROUP_INET4_GETSOCKNAME},
    {"getsockname6", BPF_CGROUP_INET6_GETSOCKNAME},
    {"sock_ops", BPF_CGROUP_SOCK_OPS},
}};
// The kernel attaches at most 64 to one hook of a cgroup (BPF_CGROUP_MAX_PROGS).
constexpr std::size_t kMostPrograms = 64;

// Empty: it ended in between, or may not be seen.
std::string name_of(std::uint32_t id) {
    const Fd program(bpf_prog_get_fd_by_id(id));
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) {
        return "";
    }
    return info.name;
}

}  // namespace

Result<std::vector<CgroupProgram>> cgroup_programs(const std::string& cgroup) {
    const Fd directory(open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) {
        return Error::from_errno("open the cgroup " + cgroup);
    }
    std::vector<CgroupProgram> programs;
    for (const auto& hook : kHooks) {
        std::array<std::uint32_t, kMostPrograms> ids{};
        auto count = static_cast<std::uint32_t>(ids.size());
        if (bpf_prog_query(directory.get(), hook.type, 0, nullptr, ids.data(), &count) != 0) {
            if (errno == EINVAL) {  // this kernel has no such hook
                continue;
            }
            return Error::from_errno("list the programs at " + std::string(hook.name) + " of " +
                                     cgroup);
        }
        for (std::size_t index = 0; index < count; ++index) {
            programs.push_back({hook.name, ids.at(index), name_of(ids.at(index))});
        }
    }
    return programs;
}

}  // namespace fsm
