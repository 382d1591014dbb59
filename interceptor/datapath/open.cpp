// Opens the data path, from nothing or from the state of an earlier process.
#include "interceptor/datapath/open.h"

#include <malloc.h>
#include <unistd.h>

#include <functional>

#include "bpf/abi.h"
#include "common/file.h"
#include "interceptor/datapath/kernel_datapath.h"
#include "interceptor/datapath/map_adoption.h"
#include "interceptor/datapath/mounts.h"
#include "interceptor/datapath/pod_pins.h"
#include "interceptor/datapath/tc_filters.h"
#include "interceptor/interception/netns_scan.h"

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

Result<void> write_settings(const SettingsMap& settings, const DatapathOptions& options) {
    struct fsm_settings value {};
    value.layout = FSM_ABI_LAYOUT;
    value.unread_limit = options.unread_limit_bytes;
    value.coalesce_below = options.coalesce_below_bytes;
    return settings.put(0, value);
}

// Runs `work` for every enrolled pod whose namespace exists.
Result<void> for_each_living_pod(
    const DatapathOptions& options, const PodsMap& pods,
    const std::function<Result<void>(const Netns&, std::uint64_t, const struct fsm_pod&)>& work) {
    std::optional<Error> failure;
    FSM_TRY(for_each_netns(options.proc, [&](const Netns& netns) {
        const auto cookie = netns.cookie();
        if (!cookie || failure) {
            return;
        }
        auto entry = pods.lookup(*cookie);
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

Result<void> retake_listeners(const DatapathOptions& options, const DatapathMaps& maps) {
    const ListenerBook listeners(maps.listeners, options.proc);
    return for_each_living_pod(
        options, maps.pods,
        [&](const Netns& netns, std::uint64_t cookie, const struct fsm_pod& entry) -> Result<void> {
            FSM_ASSIGN(const auto sockets, listening_sockets_in(netns));
            UndoLog none;
            auto taken = listeners.enter(netns, cookie, listener_ports(entry), sockets, none);
            // tc needs no listeners in the map.
            if (!taken && (entry.flags & FSM_POD_INBOUND_TC) == 0) {
                return std::move(taken.error());
            }
            return {};
        });
}

// After the first program is replaced, new connections use the new maps; so these are filled
// before, and get later additions to the old ones afterwards.
Result<void> switch_programs(KernelDatapath::Parts& parts, const AdoptionPlan& plan) {
    const DatapathOptions& options = parts.options;
    const PinTree& tree = parts.tree;
    const LoadedObject& loaded = parts.loaded;
    FSM_ASSIGN(const DatapathMaps maps, DatapathMaps::of(loaded.maps));
    const bool moves_listeners = plan.had_maps && !plan.reused.contains("fsm_listeners");
    if (plan.replaces_maps) {
        FSM_TRY(migrate_entries(plan, loaded.maps));
        if (moves_listeners) {
            FSM_TRY(retake_listeners(options, maps));
        }
        FSM_TRY(pin_next_maps(tree, loaded.maps));
    }
    FSM_TRY(parts.node.attach(loaded));
    FSM_TRY(parts.inbound->take_over(options.proc));
    if (!plan.replaces_maps) {
        return {};
    }
    FSM_TRY(migrate_entries(plan, loaded.maps));
    if (moves_listeners) {
        FSM_TRY(retake_listeners(options, maps));
    }
    FSM_TRY(retire_sockets(tree, plan));
    return tree.commit_next_maps();
}

// The capability of a program that is not loaded does not work, whatever the probe found.
void add_program_capabilities(KernelProbe& probe, const LoadedObject& loaded,
                              const FeatureChoice& choice) {
    probe.capabilities.insert(probe.capabilities.end(), loaded.capabilities.begin(),
                              loaded.capabilities.end());
    for (const auto& [feature, reason] : choice.unused) {
        for (const ProgramSpec& spec : spec_of(feature).programs) {
            probe.capabilities.push_back(
                {std::string("program ") + spec.name, false, "not loaded: " + reason});
        }
    }
    const auto off = choice.unused.find(Feature::acceleration);
    if (off != choice.unused.end() && probe.order_and_flow_control) {
        probe.order_and_flow_control = false;
        probe.automatic = Acceleration::off;
        probe.reason = "Nothing is accelerated: " + off->second + ".";
    }
    if (!loaded.programs.contains("fsm_msg") && probe.order_and_flow_control) {
        probe.order_and_flow_control = false;
        probe.automatic = Acceleration::off;
        probe.reason = "This kernel does not take the sk_msg program.";
    }
}

// The features of an earlier process's pods: their links and filters get new programs.
Result<FeatureSet> attached_features(const PinTree& tree) {
    FeatureSet attached;
    FSM_ASSIGN(const std::vector<std::uint64_t> pods, pinned_pods(tree));
    for (const std::uint64_t pod : pods) {
        FSM_ASSIGN(const PodPins pins, read_pod_pins(tree, pod));
        if (!pins.interfaces.empty()) {
            attached.insert(Feature::inbound_tc);
        }
        if (access(tree.pod_lookup_link(pod).c_str(), F_OK) == 0) {
            attached.insert(Feature::inbound_lookup);
        }
    }
    return attached;
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
    FSM_ASSIGN(NodeAttachments node, NodeAttachments::open(options, tree, cgroup));
    FSM_ASSIGN(const FeatureSet attached, attached_features(tree));
    const FeatureChoice choice = choose_features(options.disabled_features, attached, probe);
    FSM_ASSIGN(const auto wanted, wanted_maps(options, choice.used));
    FSM_ASSIGN(const AdoptionPlan plan, plan_adoption(tree, wanted));
    FSM_ASSIGN(LoadedObject loaded, load_programs(options, choice.used, plan.reused));
    add_program_capabilities(probe, loaded, choice);
    FSM_ASSIGN(const DatapathMaps maps, DatapathMaps::of(loaded.maps));
    FSM_TRY(write_settings(maps.settings, options));
    auto inbound = std::make_unique<InboundAttachment>(tree, std::move(loaded.pod_programs),
                                                       tc_handle(options.bpffs, options.name));
    KernelDatapath::Parts parts{options,         std::move(lock),   tree,
                                std::move(node), std::move(loaded), std::move(inbound),
                                std::move(probe)};
    FSM_TRY(switch_programs(parts, plan));
    FSM_ASSIGN(auto datapath, KernelDatapath::create(std::move(parts)));
    // Loading has read the kernel's type information, tens of megabytes.
    (void)malloc_trim(0);
    return std::unique_ptr<Datapath>(std::move(datapath));
}

Result<void> prepare_bpffs(const DatapathOptions& options) {
    return options.mount_bpffs ? ensure_bpffs(options.bpffs, options.run_directory)
                               : require_bpffs(options.bpffs);
}

}  // namespace

Result<std::unique_ptr<Datapath>> open_kernel_datapath(const DatapathOptions& options) {
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
    // Nothing that was created before a failure may stay attached.
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
