#include "interceptor/datapath/tc_filters.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>

#include "common/fd.h"
#include "interceptor/datapath/libbpf_log.h"

namespace fsm {
namespace {

constexpr std::uint32_t kPriority = 1500;
constexpr std::uint32_t kHandleMask = 0x7fffffff;
constexpr auto kBothHooks = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
constexpr std::size_t kReplySize = 32768;

bpf_tc_hook make_hook(int interface, bpf_tc_attach_point point) {
    bpf_tc_hook hook{};
    hook.sz = sizeof(hook);
    hook.ifindex = interface;
    hook.attach_point = point;
    return hook;
}

bpf_tc_opts make_options(std::uint32_t handle) {
    bpf_tc_opts options{};
    options.sz = sizeof(options);
    options.handle = handle;
    options.priority = kPriority;
    return options;
}

std::string at(int interface, bpf_tc_attach_point point) {
    return std::string(point == BPF_TC_INGRESS ? "ingress" : "egress") + " of interface " +
           std::to_string(interface);
}

// No such filter, qdisc or interface.
bool is_absence(int error) {
    return error == ENOENT || error == EINVAL || error == ENODEV;
}

Result<std::uint32_t> query(int interface, bpf_tc_attach_point point, std::uint32_t handle) {
    const LibbpfLog log;
    const bpf_tc_hook hook = make_hook(interface, point);
    bpf_tc_opts options = make_options(handle);
    const int failed = bpf_tc_query(&hook, &options);
    if (failed == 0) {
        return options.prog_id;
    }
    if (is_absence(-failed)) {
        return std::uint32_t{0};
    }
    return log.error("look for our filter at " + at(interface, point), -failed);
}

// A filter in our place whose program is not one of ours belongs to another program.
Result<bool> is_ours(std::uint32_t program) {
    const Fd fd(bpf_prog_get_fd_by_id(program));
    if (!fd) {
        if (errno == ENOENT) {
            return false;
        }
        return Error::from_errno("open program " + std::to_string(program));
    }
    bpf_prog_info info{};
    std::uint32_t length = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd.get(), &info, &length) != 0) {
        return Error::from_errno("ask the kernel about program " + std::to_string(program));
    }
    const std::string name = info.name;
    return name == "fsm_ingress" || name == "fsm_egress";
}

// 0 also if another program is at the place of our filter.
Result<std::uint32_t> query_ours(int interface, bpf_tc_attach_point point, std::uint32_t handle) {
    FSM_ASSIGN(const std::uint32_t present, query(interface, point, handle));
    if (present == 0) {
        return present;
    }
    FSM_ASSIGN(const bool ours, is_ours(present));
    return ours ? present : 0;
}

Result<void> add_filter(int interface, bpf_tc_attach_point point, int program,
                        std::uint32_t handle) {
    FSM_ASSIGN(const std::uint32_t present, query(interface, point, handle));
    if (present != 0) {
        FSM_ASSIGN(const bool ours, is_ours(present));
        if (!ours) {
            return Error("the place of our filter at " + at(interface, point) +
                             " is taken by program " + std::to_string(present),
                         EEXIST);
        }
    }
    const LibbpfLog log;
    const bpf_tc_hook hook = make_hook(interface, point);
    bpf_tc_opts options = make_options(handle);
    options.prog_fd = program;
    options.flags = present != 0 ? BPF_TC_F_REPLACE : 0;
    const int failed = bpf_tc_attach(&hook, &options);
    if (failed != 0) {
        return log.error("add a BPF filter at " + at(interface, point), -failed);
    }
    return {};
}

Result<void> remove_filter(int interface, bpf_tc_attach_point point, std::uint32_t handle) {
    FSM_ASSIGN(const std::uint32_t present, query_ours(interface, point, handle));
    if (present == 0) {
        return {};
    }
    const LibbpfLog log;
    const bpf_tc_hook hook = make_hook(interface, point);
    const bpf_tc_opts options = make_options(handle);
    const int failed = bpf_tc_detach(&hook, &options);
    if (failed != 0 && !is_absence(-failed)) {
        return log.error("remove our filter at " + at(interface, point), -failed);
    }
    return {};
}

Result<QdiscOwner> ensure_clsact(int interface) {
    const LibbpfLog log;
    bpf_tc_hook hook = make_hook(interface, kBothHooks);
    const int failed = bpf_tc_hook_create(&hook);
    if (failed == 0) {
        return QdiscOwner::us;
    }
    if (failed == -EEXIST) {
        return QdiscOwner::others;
    }
    return log.error("add a clsact qdisc to interface " + std::to_string(interface), -failed);
}

struct FilterDump {
    nlmsghdr header;
    tcmsg body;
};

Result<bool> has_filters(int netlink, int interface, std::uint32_t parent) {
    FilterDump request{};
    request.header.nlmsg_len = sizeof(request);
    request.header.nlmsg_type = RTM_GETTFILTER;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.body.tcm_family = AF_UNSPEC;
    request.body.tcm_ifindex = interface;
    request.body.tcm_parent = parent;
    if (send(netlink, &request, sizeof(request), 0) != static_cast<ssize_t>(sizeof(request))) {
        return Error::from_errno("ask the kernel for the filters of an interface");
    }
    bool found = false;
    alignas(nlmsghdr) std::array<char, kReplySize> reply;
    for (;;) {
        const ssize_t size = recv(netlink, reply.data(), reply.size(), 0);
        if (size < 0) {
            return Error::from_errno("read the filters of an interface");
        }
        const auto* header = reinterpret_cast<const nlmsghdr*>(reply.data());
        auto left = static_cast<unsigned>(size);
        for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
            if (header->nlmsg_type == NLMSG_DONE) {
                return found;
            }
            if (header->nlmsg_type == NLMSG_ERROR) {
                const auto* failure = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
                return Error::from_errno("list the filters of an interface", -failure->error);
            }
            found = true;
        }
    }
}

Result<bool> clsact_in_use(int interface) {
    const Fd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!netlink) {
        return Error::from_errno("open a netlink socket");
    }
    for (const std::uint32_t minor : {TC_H_MIN_INGRESS, TC_H_MIN_EGRESS}) {
        FSM_ASSIGN(const bool used,
                   has_filters(netlink.get(), interface, TC_H_MAKE(TC_H_CLSACT, minor)));
        if (used) {
            return true;
        }
    }
    return false;
}

Result<void> remove_own_clsact(int interface) {
    FSM_ASSIGN(const bool used, clsact_in_use(interface));
    if (used) {
        return {};
    }
    const LibbpfLog log;
    bpf_tc_hook hook = make_hook(interface, kBothHooks);
    const int failed = bpf_tc_hook_destroy(&hook);
    if (failed != 0 && !is_absence(-failed)) {
        return log.error("remove our clsact qdisc from interface " + std::to_string(interface),
                         -failed);
    }
    return {};
}

bool interface_exists(int interface) {
    std::array<char, IF_NAMESIZE> name{};
    return if_indextoname(static_cast<unsigned>(interface), name.data()) != nullptr;
}

}  // namespace

std::uint32_t tc_handle(const std::string& bpffs, const std::string& name) {
    // FNV-1a
    std::uint32_t hash = 2166136261U;
    const std::string place = bpffs + "/" + name;
    for (const char character : place) {
        hash = (hash ^ static_cast<unsigned char>(character)) * 16777619U;
    }
    return (hash & kHandleMask) | 1U;
}

Result<std::vector<int>> interface_indexes(const std::vector<std::string>& names) {
    std::vector<int> indexes;
    for (const std::string& name : names) {
        const unsigned index = if_nametoindex(name.c_str());
        if (index == 0) {
            return Error::from_errno("find interface " + name + " in the pod");
        }
        indexes.push_back(static_cast<int>(index));
    }
    return indexes;
}

Result<std::vector<int>> all_interface_indexes() {
    constexpr unsigned kLoopback = 1;  // in every network namespace
    const std::unique_ptr<struct if_nameindex, void (*)(struct if_nameindex*)> list(
        if_nameindex(), [](struct if_nameindex* entries) { if_freenameindex(entries); });
    if (!list) {
        return Error::from_errno("list the interfaces of the pod");
    }
    std::vector<int> indexes;
    for (const struct if_nameindex* entry = list.get(); entry->if_index != 0; ++entry) {
        if (entry->if_index != kLoopback) {
            indexes.push_back(static_cast<int>(entry->if_index));
        }
    }
    return indexes;
}

Result<TcInterface> attach_tc(int interface, const TcPrograms& programs) {
    FSM_ASSIGN(const QdiscOwner owner, ensure_clsact(interface));
    const TcInterface attached{interface, owner};
    FSM_ASSIGN(const TcAttached before, attached_tc(interface, programs.handle));
    auto added = add_filter(interface, BPF_TC_INGRESS, programs.ingress, programs.handle);
    if (added) {
        added = add_filter(interface, BPF_TC_EGRESS, programs.egress, programs.handle);
    }
    if (added) {
        return attached;
    }
    if (before.ingress == 0 && before.egress == 0) {
        FSM_TRY(detach_tc(attached, programs.handle));
    }
    return std::move(added.error());
}

Result<void> detach_tc(const TcInterface& interface, std::uint32_t handle) {
    if (!interface_exists(interface.index)) {
        return {};
    }
    FSM_TRY(remove_filter(interface.index, BPF_TC_INGRESS, handle));
    FSM_TRY(remove_filter(interface.index, BPF_TC_EGRESS, handle));
    if (interface.qdisc == QdiscOwner::us) {
        return remove_own_clsact(interface.index);
    }
    return {};
}

Result<TcAttached> attached_tc(int interface, std::uint32_t handle) {
    TcAttached attached;
    FSM_ASSIGN(attached.ingress, query_ours(interface, BPF_TC_INGRESS, handle));
    FSM_ASSIGN(attached.egress, query_ours(interface, BPF_TC_EGRESS, handle));
    return attached;
}

}  // namespace fsm
