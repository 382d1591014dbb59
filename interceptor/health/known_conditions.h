// The conditions that /metrics tells apart, by the beginning of their key. Keys can have names of
// pods and files in them: this list bounds the labels.
#pragma once

#include <array>
#include <string_view>

#include "interceptor/health/conditions.h"

namespace fsm {

struct KnownCondition {
    Component component;
    std::string_view key;   // the beginning
    std::string_view name;  // in labels
};

// The rest of a component has this name; so do its incidents.
inline constexpr std::string_view kOtherCondition = "other";

// Of a component, the first that fits.
inline constexpr std::array kKnownConditions = {
    KnownCondition{Component::datapath, "attachment/bpffs", "bpffs_missing"},
    KnownCondition{Component::datapath, "attachment/pins", "pins_missing"},
    KnownCondition{Component::datapath, "attachment/cgroup", "cgroup_replaced"},
    KnownCondition{Component::datapath, "attachment/", "not_attached"},
    KnownCondition{Component::datapath, "former mode", "former_mode"},
    KnownCondition{Component::datapath, "", kOtherCondition},
    KnownCondition{Component::pod_source, "watch", "watch_failed"},
    KnownCondition{Component::pod_source, "full", "too_many_pods"},
    KnownCondition{Component::pod_source, "pod ", "pod_unreadable"},
    KnownCondition{Component::pod_source, "scan", "directory_unreadable"},
    KnownCondition{Component::pod_source, "", kOtherCondition},
    KnownCondition{Component::attachments, "remember ", "not_written"},
    KnownCondition{Component::attachments, "withdraw ", "not_withdrawn"},
    KnownCondition{Component::attachments, "deletion note ", "deletion_note"},
    KnownCondition{Component::attachments, "unknown pod ", "unknown_pod"},
    KnownCondition{Component::attachments, "file ", "file_unreadable"},
    KnownCondition{Component::attachments, "", kOtherCondition},
    KnownCondition{Component::reconciler, "attachment ", "pod_failed"},
    KnownCondition{Component::reconciler, "sweep", "clean_up_failed"},
    KnownCondition{Component::reconciler, "search", "search_failed"},
    KnownCondition{Component::reconciler, "", kOtherCondition},
    KnownCondition{Component::installation, "chain use", "plugin_not_called"},
    KnownCondition{Component::installation, "", "not_installed"},
    KnownCondition{Component::configuration, "", "file_invalid"},
    KnownCondition{Component::metrics, "scrape", "scrape_incomplete"},
    KnownCondition{Component::metrics, "", "not_served"},
    KnownCondition{Component::events, "", "not_written"},
    KnownCondition{Component::node_taint, "", "not_removed"},
};

constexpr std::size_t known_condition_of(Component component, std::string_view key) {
    std::size_t index = 0;
    while (kKnownConditions[index].component != component ||
           !key.starts_with(kKnownConditions[index].key)) {
        ++index;
    }
    return index;
}

// The search always ends: each component has a condition that fits every key.
static_assert([] {
    for (const Component component : kComponents) {
        bool ends = false;
        for (const KnownCondition& known : kKnownConditions) {
            ends = ends || (known.component == component && known.key.empty());
        }
        if (!ends) {
            return false;
        }
    }
    return true;
}());

}  // namespace fsm
