// Datapath::open(): from nothing, or from what an earlier process has left, to a data path at work.
#include <bpf/bpf.h>
#include <malloc.h>

#include <functional>

#include "bpf/abi.h"
#include "interceptor/datapath/bpf_link.h"
#include "interceptor/datapath/kernel_datapath.h"
#include "interceptor/datapath/map_adoption.h"
#include "interceptor/datapath/mounts.h"
#include "interceptor/datapath/netns_scan.h"

namespace fsm {
namespace {

Result<void> check_name(const std::string& name) {
    // bpffs reserves dots; the name is also a file name in the run directory.
    if (name.empty() || name.find_first_of("./") != std::string::npos) {
        return Error("the name of a data path, \"" + name + "\", must be a file name without dots",
                     EINVAL);
    }
    return {};
}

Result<void> write_settings(const BpfMap& settings, const DatapathOptions& options) {
    struct fsm_settings value {};
    value.layout = FSM_ABI_LAYOUT;
    value.unread_limit = options.unread_limit_bytes;
    value.coalesce_below = options.coalesce_below_bytes;
    return settings.put(std::uint32_t{0}, value);
}

// sk_msg programs have no links before Linux 6.10. Sockets that are in the map keep the program
// that they entered with.
Result<void> attach_message_program(const LoadedObject& loaded) {
    const auto program = loaded.programs.find("fsm_msg");
    if (program == loaded.programs.end()) {
        return {};
    }
    if (bpf_prog_attach(program->second.get(), loaded.maps.at("fsm_sockets").fd(),
                        BPF_SK_MSG_VERDICT, 0) != 0) {
        return Error::from_errno("attach sk_msg to map fsm_sockets");
    }
    return {};
}

Result<void> attach_cgroup_programs(const CgroupLinks& links, const LoadedObject& loaded) {
    for (const ProgramSpec& spec : program_specs()) {
        if (spec.kind == HookKind::cgroup) {
            FSM_TRY(links.attach(spec, loaded.programs.at(spec.name).get()));
        }
    }
    return {};
}

// Runs `work` for every enrolled pod whose namespace lives.
Result<void> for_each_living_pod(
    const DatapathOptions& options, const MapSet& maps,
    const std::function<Result<void>(const Netns&, std::uint64_t, const struct fsm_pod&)>& work) {
    std::optional<Error> failure;
    const BpfMap& pods = maps.at("fsm_pods");
    FSM_TRY(for_each_netns(options.proc, [&](const Netns& netns) {
        const auto cookie = netns.cookie();
        if (!cookie || failure) {
            return;
        }
        auto entry = pods.lookup<std::uint64_t, struct fsm_pod>(*cookie);
        if (entry && !*entry) {
            return;
        }
        auto done = entry ? work(netns, *cookie, **entry) : Result<void>(entry.error());
        if (!done) {
            failure = std::move(done.error());
        }
    }));
    if (failure) {
        return std::move(*failure);
    }
    return {};
}

Result<void> retake_listeners(const DatapathOptions& options, const MapSet& maps) {
    return for_each_living_pod(
        options, maps,
        [&](const Netns& netns, std::uint64_t cookie, const struct fsm_pod& entry) -> Result<void> {
            FSM_ASSIGN(const auto sockets, listening_sockets_in(netns));
            auto taken =
                take_over_listeners(maps.at("fsm_listeners"), options.proc, netns.identity(),
                                    cookie, listener_ports(entry), sockets);
            // tc needs no listeners.
            if (!taken && (entry.flags & FSM_POD_INBOUND_TC) == 0) {
                return std::move(taken.error());
            }
            return {};
        });
}

Result<void> update_lookup_links(const PinTree& tree, int program) {
    FSM_ASSIGN(const std::vector<std::uint64_t> cookies, pinned_pods(tree));
    for (const std::uint64_t cookie : cookies) {
        FSM_ASSIGN(const auto link, BpfLink::open_pinned(tree.pod_lookup_link(cookie)));
        if (link && link->netns_inode() != 0) {
            FSM_TRY(link->update(program));
        }
    }
    return {};
}

Result<void> replace_filters(const Netns& netns, const std::vector<TcInterface>& interfaces,
                             const TcPrograms& programs) {
    Result<void> outcome;
    FSM_TRY(netns.run([&] {
        for (const TcInterface& interface : interfaces) {
            const auto attached = attach_tc(interface.index, programs);
            // The interface may have gone since; check() tells when none is left.
            if (!attached && attached.error().errno_value() != ENODEV) {
                outcome = attached.error();
                return;
            }
        }
    }));
    return outcome;
}

Result<bool> any_tc_pod(const PinTree& tree) {
    FSM_ASSIGN(const std::vector<std::uint64_t> cookies, pinned_pods(tree));
    for (const std::uint64_t cookie : cookies) {
        FSM_ASSIGN(const PodPins pins, read_pod_pins(tree, cookie));
        if (!pins.interfaces.empty()) {
            return true;
        }
    }
    return false;
}

Result<void> update_pod_programs(const DatapathOptions& options, const PinTree& tree,
                                 const LoadedObject& loaded) {
    const auto lookup = loaded.programs.find("fsm_lookup");
    if (lookup != loaded.programs.end()) {
        FSM_TRY(update_lookup_links(tree, lookup->second.get()));
    }
    FSM_ASSIGN(const bool has_tc_pods, any_tc_pod(tree));
    const auto ingress = loaded.programs.find("fsm_ingress");
    const auto egress = loaded.programs.find("fsm_egress");
    if (!has_tc_pods || ingress == loaded.programs.end() || egress == loaded.programs.end()) {
        return {};
    }
    const TcPrograms programs{ingress->second.get(), egress->second.get(),
                              tc_handle(options.bpffs, options.name)};
    return for_each_living_pod(
        options, loaded.maps,
        [&](const Netns& netns, std::uint64_t cookie, const struct fsm_pod&) -> Result<void> {
            FSM_ASSIGN(const PodPins pins, read_pod_pins(tree, cookie));
            return replace_filters(netns, pins.interfaces, programs);
        });
}

// From the first program that is replaced on, new connections use the new maps; so these hold
// everything before, and get what was added to the old ones meanwhile after.
Result<void> switch_programs(const DatapathOptions& options, const PinTree& tree,
                             const CgroupLinks& links, const AdoptionPlan& plan,
                             const LoadedObject& loaded) {
    const bool moves_listeners = plan.had_maps && !plan.reused.contains("fsm_listeners");
    if (plan.replaces_maps) {
        FSM_TRY(migrate_entries(plan, loaded.maps));
        if (moves_listeners) {
            FSM_TRY(retake_listeners(options, loaded.maps));
        }
        FSM_TRY(pin_next_maps(tree, loaded.maps));
    }
    FSM_TRY(attach_message_program(loaded));
    FSM_TRY(attach_cgroup_programs(links, loaded));
    FSM_TRY(update_pod_programs(options, tree, loaded));
    if (!plan.replaces_maps) {
        return {};
    }
    FSM_TRY(migrate_entries(plan, loaded.maps));
    if (moves_listeners) {
        FSM_TRY(retake_listeners(options, loaded.maps));
    }
    FSM_TRY(retire_sockets(tree, plan));
    return tree.commit_next_maps();
}

void add_program_capabilities(KernelProbe& probe, const LoadedObject& loaded) {
    probe.capabilities.insert(probe.capabilities.end(), loaded.capabilities.begin(),
                              loaded.capabilities.end());
    if (!loaded.programs.contains("fsm_msg") && probe.order_and_flow_control) {
        probe.order_and_flow_control = false;
        probe.automatic = Acceleration::off;
        probe.reason = "This kernel does not take the sk_msg program.";
    }
}

Result<std::unique_ptr<Datapath>> open_below(const DatapathOptions& options, const PinTree& tree,
                                             DatapathLock lock) {
    std::string cgroup = options.cgroup;
    if (cgroup.empty()) {
        FSM_ASSIGN(cgroup, find_or_mount_cgroup2(options.run_directory));
    }
    FSM_ASSIGN(KernelProbe probe, probe_kernel());
    FSM_TRY(make_pin_directory(tree.root()));
    FSM_TRY(tree.recover());
    FSM_ASSIGN(CgroupLinks links, CgroupLinks::open(tree, cgroup));
    FSM_ASSIGN(const auto wanted, wanted_maps(options));
    FSM_ASSIGN(const AdoptionPlan plan, plan_adoption(tree, wanted));
    FSM_ASSIGN(LoadedObject loaded, load_programs(options, plan.reused));
    add_program_capabilities(probe, loaded);
    FSM_TRY(write_settings(loaded.maps.at("fsm_settings"), options));
    FSM_TRY(switch_programs(options, tree, links, plan, loaded));
    FSM_ASSIGN(auto datapath,
               KernelDatapath::create({options, std::move(lock), tree, std::move(links),
                                       std::move(loaded.maps), std::move(loaded.programs),
                                       std::move(probe)}));
    // Loading has read the kernel's type information, tens of megabytes.
    (void)malloc_trim(0);
    return std::unique_ptr<Datapath>(std::move(datapath));
}

// The host's processes are somewhere else than ours only in a container.
Result<void> prepare_bpffs(const DatapathOptions& options) {
    return options.proc == "/proc" ? ensure_bpffs(options.bpffs, options.run_directory)
                                   : require_bpffs(options.bpffs);
}

}  // namespace

Result<std::unique_ptr<Datapath>> Datapath::open(const DatapathOptions& options) {
    FSM_TRY(check_name(options.name));
    FSM_ASSIGN(DatapathLock lock, DatapathLock::acquire(options.run_directory, options.name));
    FSM_TRY(prepare_bpffs(options));
    const PinTree tree(options.bpffs, options.name);
    FSM_ASSIGN(const std::vector<std::string> pins_before, list_directory(tree.root()));
    auto datapath = open_below(options, tree, std::move(lock));
    if (datapath) {
        return datapath;
    }
    Error error = std::move(datapath.error()).within("open data path " + tree.root());
    // What was made on the way to a failure must not stay attached.
    if (pins_before.empty()) {
        const auto removed = remove_tree(tree.root());
        if (!removed) {
            return Error(error.message() + "; and not undone: " + removed.error().message(),
                         error.errno_value());
        }
    }
    return error;
}

}  // namespace fsm
