// Leaves nothing of an instance, whichever process made it and whether or not its pods are alive.
#include <dirent.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "common/failures.h"
#include "common/file.h"
#include "interceptor/datapath/bpf_link.h"
#include "interceptor/datapath/bpf_map.h"
#include "interceptor/datapath/datapath_maps.h"
#include "interceptor/datapath/mounts.h"
#include "interceptor/datapath/open.h"
#include "interceptor/datapath/pins.h"
#include "interceptor/datapath/pod_pins.h"
#include "interceptor/datapath/tc_filters.h"
#include "interceptor/datapath/tc_flows.h"
#include "interceptor/interception/netns_scan.h"

namespace fsm {
namespace {

// Enough time for an active reader to empty its queue.
constexpr auto kDrainTime = std::chrono::milliseconds(200);

// Redirected data that was not yet read is lost with the socket map. So redirection stops first,
// and readers get a moment.
Result<void> stop_redirecting(const PinTree& tree) {
    const std::string path = tree.maps() + "/fsm_settings";
    if (access(path.c_str(), F_OK) != 0) {
        return {};
    }
    FSM_ASSIGN(const BpfMap pinned, BpfMap::open_pinned(path));
    const auto settings = SettingsMap::of(pinned);
    if (!settings) {
        return {};  // from another version
    }
    FSM_ASSIGN(auto value, settings->lookup(0));
    if (!value || value->unread_limit == 0) {
        return {};
    }
    value->unread_limit = 0;
    FSM_TRY(settings->put(0, *value));
    const std::string sockets_path = tree.maps() + "/fsm_sockets";
    if (access(sockets_path.c_str(), F_OK) != 0) {
        return {};  // acceleration was not loaded
    }
    FSM_ASSIGN(const BpfMap sockets, BpfMap::open_pinned(sockets_path));
    FSM_ASSIGN(const std::uint64_t accelerated, sockets.count());
    if (accelerated != 0) {
        std::this_thread::sleep_for(kDrainTime);
    }
    return {};
}

Result<void> remove_link(const std::string& path) {
    FSM_ASSIGN(const auto link, BpfLink::open_pinned(path));
    if (link) {
        FSM_TRY(link->detach());
        FSM_TRY(unpin(path));
    }
    return {};
}

void remove_cgroup_links(const PinTree& tree, Failures& failures) {
    const auto names = list_directory(tree.links());
    if (!names) {
        failures.note(names.error());
        return;
    }
    for (const std::string& name : *names) {
        failures.note(remove_link(tree.link(name)));
    }
}

struct PinnedFilters {
    std::vector<TcInterface> interfaces;
};

// By the namespace's inode, as it was when the pod was enrolled.
std::map<ino_t, PinnedFilters> pinned_filters(const PinTree& tree, Failures& failures) {
    std::map<ino_t, PinnedFilters> filters;
    const auto cookies = pinned_pods(tree);
    if (!cookies) {
        failures.note(cookies.error());
        return filters;
    }
    for (const std::uint64_t cookie : *cookies) {
        failures.note(remove_link(tree.pod_lookup_link(cookie)));
        const auto pins = read_pod_pins(tree, cookie);
        if (pins && pins->netns_inode) {
            filters[*pins->netns_inode].interfaces = pins->interfaces;
        } else if (!pins) {
            failures.note(pins.error());
        }
    }
    return filters;
}

// Without such a map, or with that of another version, nothing is reset.
TcFlows flows_in(const Result<BpfMap>& pinned) {
    auto flows = pinned ? FlowsMap::of(*pinned) : Result<FlowsMap>(pinned.error());
    return TcFlows(flows ? std::optional(*flows) : std::nullopt);
}

// Checks every interface, not only the noted ones: the notes may be missing, or the inode may be
// another namespace's by now. But only the notes tell whose the qdisc is.
Result<void> remove_filters_here(const Netns& netns, const PinnedFilters& remembered,
                                 std::uint32_t handle, const TcFlows& flows) {
    FSM_ASSIGN(const std::vector<int> indexes, all_interface_indexes());
    for (const int index : indexes) {
        FSM_ASSIGN(const TcAttached attached, attached_tc(index, handle));
        if (attached.ingress == 0 && attached.egress == 0) {
            continue;
        }
        FSM_ASSIGN(const std::uint64_t cookie, netns.cookie_from_inside());
        FSM_TRY(flows.reset(cookie));
        TcInterface interface { index, QdiscOwner::others };
        for (const TcInterface& candidate : remembered.interfaces) {
            if (candidate.index == index) {
                interface.qdisc = candidate.qdisc;
            }
        }
        FSM_TRY(detach_tc(interface, handle));
    }
    return {};
}

void remove_filters(const DatapathOptions& options, const std::map<ino_t, PinnedFilters>& pinned,
                    Failures& failures) {
    const std::uint32_t handle = tc_handle(options.bpffs, options.name);
    const PinTree tree(options.bpffs, options.name);
    const auto pinned_flows = BpfMap::open_pinned(tree.maps() + "/fsm_flows");
    const TcFlows flows = flows_in(pinned_flows);
    failures.note(for_each_netns(options.proc, [&](const Netns& netns) {
        const auto found = pinned.find(netns.identity().inode);
        const PinnedFilters remembered = found == pinned.end() ? PinnedFilters() : found->second;
        Result<void> removed;
        const auto entered =
            netns.run([&] { removed = remove_filters_here(netns, remembered, handle, flows); });
        failures.note(entered);
        failures.note(removed);
    }));
}

// Only when nothing of other programs is in it.
Result<void> remove_if_empty(const std::string& directory) {
    if (rmdir(directory.c_str()) != 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EBUSY &&
        errno != EEXIST) {
        return Error::from_errno("remove " + directory);
    }
    return {};
}

}  // namespace

Result<bool> has_left_programs(const DatapathOptions& options) {
    FSM_ASSIGN(const auto pins, list_directory(PinTree(options.bpffs, options.name).root()));
    return !pins.empty();
}

Result<void> uninstall_kernel_datapath(const DatapathOptions& options) {
    FSM_ASSIGN(DatapathLock lock, DatapathLock::acquire(options.run_directory, options.name));
    const PinTree tree(options.bpffs, options.name);
    Failures failures;
    failures.note(stop_redirecting(tree));
    remove_cgroup_links(tree, failures);
    remove_filters(options, pinned_filters(tree, failures), failures);
    failures.note(remove_tree(tree.root()));
    failures.note(remove_own_mounts(options.bpffs, options.run_directory));
    failures.note(lock.remove());
    failures.note(remove_if_empty(options.run_directory));
    return failures.result("uninstall the data path");
}

}  // namespace fsm
