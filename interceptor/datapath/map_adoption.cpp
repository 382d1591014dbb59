#include "interceptor/datapath/map_adoption.h"

#include <linux/bpf.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/abi.h"
#include "common/file.h"
#include "common/port_set.h"
#include "interceptor/datapath/policy.h"

namespace fsm {
namespace {

// The maps that user space can copy. Sockets cannot be copied: listeners are duplicated from their
// processes again.
constexpr const char* kMigrated[] = {"fsm_pods",     "fsm_ports", "fsm_ranges",
                                     "fsm_observed", "fsm_flows", "fsm_containers"};
// Only from a map of this layout: addresses had another meaning before.
constexpr const char* kMigratedWithinLayout[] = {"fsm_pod_ips", "fsm_addresses", "fsm_usage"};

Result<MapSet> open_pinned_maps(const PinTree& tree) {
    MapSet maps;
    FSM_ASSIGN(const std::vector<std::string> names, list_directory(tree.maps()));
    for (const std::string& name : names) {
        FSM_ASSIGN(BpfMap map, BpfMap::open_pinned(tree.maps() + "/" + name));
        maps.emplace(name, std::move(map));
    }
    return maps;
}

Result<std::uint32_t> pinned_layout(const MapSet& pinned) {
    const auto settings = pinned.find("fsm_settings");
    std::uint32_t layout = 0;
    if (settings == pinned.end() || settings->second.shape().key_size != sizeof(std::uint32_t) ||
        settings->second.shape().value_size < sizeof(layout)) {
        return layout;
    }
    const std::uint32_t key = 0;
    std::vector<std::byte> value(settings->second.shape().value_size);
    FSM_TRY(settings->second.lookup_raw(&key, value.data()));
    std::memcpy(&layout, value.data(), sizeof(layout));
    return layout;
}

Result<BpfMap> second_handle(const PinTree& tree, const std::string& name) {
    return BpfMap::open_pinned(tree.maps() + "/" + name);
}

Result<void> copy_entries(const BpfMap& from, const BpfMap& to) {
    const std::size_t key_size = from.shape().key_size;
    if (key_size != to.shape().key_size) {
        return {};
    }
    FSM_ASSIGN(const std::vector<std::byte> keys, from.keys_raw());
    std::vector<std::byte> value(
        std::max<std::size_t>(from.shape().value_size, to.shape().value_size));
    for (std::size_t at = 0; at < keys.size(); at += key_size) {
        std::fill(value.begin(), value.end(), std::byte{0});
        FSM_ASSIGN(const bool found, from.lookup_raw(&keys[at], value.data()));
        if (found) {
            FSM_TRY(to.put_raw(&keys[at], value.data(), IfPresent::refuse));
        }
    }
    return {};
}

// Layouts before 3 had one entry per port of a list. Without them, a pod that includes some ports
// would have none included until it is enrolled again: its traffic would bypass the sidecar.
struct SinglePortKey {
    std::uint32_t pod_id;
    std::uint16_t port;
    std::uint8_t list;
    std::uint8_t pad;
};

bool has_single_ports(const BpfMap& map) {
    return map.shape().type == BPF_MAP_TYPE_HASH && map.shape().key_size == sizeof(SinglePortKey);
}

Result<void> copy_single_ports(const BpfMap& from, const BpfMap& to) {
    std::map<std::pair<std::uint32_t, std::uint16_t>, std::vector<PortRange>> lists;
    FSM_ASSIGN(const std::vector<SinglePortKey> keys, from.keys<SinglePortKey>());
    for (const SinglePortKey& key : keys) {
        lists[{key.pod_id, key.list}].push_back({key.port, key.port});
    }
    for (const auto& [owner, ports] : lists) {
        for (const fsm_port_key& key : port_keys(owner.first, owner.second, PortSet::of(ports))) {
            FSM_TRY(to.put_new(key, std::uint8_t{1}));
        }
    }
    return {};
}

const BpfMap* replaced_map(const AdoptionPlan& plan, const std::string& name) {
    const auto found = plan.pinned.find(name);
    return found == plan.pinned.end() || plan.reused.contains(name) ? nullptr : &found->second;
}

Result<void> migrate_map(const AdoptionPlan& plan, const MapSet& fresh, const char* name) {
    const BpfMap* from = replaced_map(plan, name);
    const auto to = fresh.find(name);
    if (from == nullptr || to == fresh.end()) {
        return {};
    }
    const bool converts = std::string_view(name) == "fsm_ports" && has_single_ports(*from);
    auto copied = converts ? copy_single_ports(*from, to->second) : copy_entries(*from, to->second);
    if (!copied) {
        return std::move(copied.error())
            .within(std::string("move the entries of map ") + name + " into its successor");
    }
    return {};
}

Result<void> stop_redirecting(const AdoptionPlan& plan) {
    const BpfMap* replaced = replaced_map(plan, "fsm_settings");
    if (replaced == nullptr) {
        return {};
    }
    const auto settings = SettingsMap::of(*replaced);
    if (!settings) {
        return {};  // from another layout
    }
    FSM_ASSIGN(auto value, settings->lookup(0));
    if (value) {
        value->unread_limit = 0;
        FSM_TRY(settings->put(0, *value));
    }
    return {};
}

}  // namespace

Result<AdoptionPlan> plan_adoption(const PinTree& tree,
                                   const std::map<std::string, MapShape>& wanted) {
    AdoptionPlan plan;
    FSM_ASSIGN(plan.pinned, open_pinned_maps(tree));
    plan.had_maps = !plan.pinned.empty();
    FSM_ASSIGN(const std::uint32_t layout, pinned_layout(plan.pinned));
    plan.same_layout = layout == FSM_ABI_LAYOUT;
    if (!plan.same_layout) {
        return plan;
    }
    for (const auto& [name, shape] : wanted) {
        const auto found = plan.pinned.find(name);
        if (found != plan.pinned.end() && found->second.shape() == shape) {
            FSM_ASSIGN(BpfMap map, second_handle(tree, name));
            plan.reused.emplace(name, std::move(map));
        }
    }
    plan.replaces_maps = plan.reused.size() != wanted.size() || plan.pinned.size() != wanted.size();
    return plan;
}

Result<void> migrate_entries(const AdoptionPlan& plan, const MapSet& fresh) {
    for (const char* name : kMigrated) {
        FSM_TRY(migrate_map(plan, fresh, name));
    }
    if (plan.same_layout) {
        for (const char* name : kMigratedWithinLayout) {
            FSM_TRY(migrate_map(plan, fresh, name));
        }
    }
    return {};
}

Result<void> pin_next_maps(const PinTree& tree, const MapSet& maps) {
    FSM_TRY(make_pin_directory(tree.new_maps()));
    for (const auto& [name, map] : maps) {
        FSM_TRY(pin(map.fd(), tree.new_maps() + "/" + name));
    }
    return rename_pin(tree.new_maps(), tree.next_maps());
}

Result<void> retire_sockets(const PinTree& tree, const AdoptionPlan& plan) {
    const BpfMap* sockets = replaced_map(plan, "fsm_sockets");
    if (sockets == nullptr) {
        return {};
    }
    FSM_TRY(stop_redirecting(plan));
    FSM_ASSIGN(const std::uint64_t entries, sockets->count());
    if (entries == 0) {
        return {};
    }
    FSM_TRY(make_pin_directory(tree.retired()));
    return pin(sockets->fd(), tree.retired() + "/" + std::to_string(sockets->id()));
}

Result<void> drop_empty_retired(const PinTree& tree) {
    FSM_ASSIGN(const std::vector<std::string> names, list_directory(tree.retired()));
    for (const std::string& name : names) {
        const std::string path = tree.retired() + "/" + name;
        FSM_ASSIGN(const BpfMap map, BpfMap::open_pinned(path));
        FSM_ASSIGN(const std::uint64_t entries, map.count());
        if (entries == 0) {
            FSM_TRY(unpin(path));
        }
    }
    return {};
}

}  // namespace fsm
