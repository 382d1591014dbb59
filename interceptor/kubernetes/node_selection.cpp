#include "interceptor/kubernetes/node_selection.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/document/json_map.h"
#include "interceptor/kubernetes/pod_json.h"

namespace fsm {

namespace {

using nlohmann::json;
using Labels = std::map<std::string, std::string>;

constexpr const char* kNoExecute = "NoExecute";

// The DaemonSet controller adds tolerations for these to each pod. Taints that only prevent
// scheduling do not end a running pod.
constexpr std::array<const char*, 2> kAlwaysTolerated = {"node.kubernetes.io/not-ready",
                                                         "node.kubernetes.io/unreachable"};

std::optional<long long> integer(const std::string& text) {
    long long value = 0;
    const char* last = text.data() + text.size();
    const auto [end, failure] = std::from_chars(text.data(), last, value);
    return failure == std::errc() && end == last ? std::optional(value) : std::nullopt;
}

// Gt and Lt: both sides must be integers, or the requirement is not met.
bool compares(const std::optional<std::string>& label, const std::vector<std::string>& values,
              bool (*holds)(long long, long long)) {
    const auto left = label ? integer(*label) : std::nullopt;
    const auto right = values.size() == 1 ? integer(values.front()) : std::nullopt;
    return left && right && holds(*left, *right);
}

// One requirement of a node selector term.
bool is_met(JsonMap& requirement, const Labels& labels) {
    const std::string key = requirement.required_text("key");
    const std::string wanted = requirement.required_text("operator");
    const auto values = requirement.texts("values");
    const auto found = labels.find(key);
    const auto label = found == labels.end() ? std::nullopt : std::optional(found->second);
    const bool listed = label && std::find(values.begin(), values.end(), *label) != values.end();
    if (wanted == "In") {
        return listed;
    }
    if (wanted == "NotIn") {
        return !listed;
    }
    if (wanted == "Exists") {
        return label.has_value();
    }
    if (wanted == "DoesNotExist") {
        return !label;
    }
    if (wanted == "Gt") {
        return compares(label, values, [](long long one, long long other) { return one > other; });
    }
    if (wanted == "Lt") {
        return compares(label, values, [](long long one, long long other) { return one < other; });
    }
    requirement.fail("operator", "\"" + wanted + "\" is not known");
    return false;
}

// All requirements of a list; how many there are is added to `count`.
bool all_met(JsonMap& term, const char* list, const Labels& labels, std::size_t& count) {
    bool met = true;
    term.each_map(list, [&](JsonMap requirement) {
        ++count;
        met = is_met(requirement, labels) && met;
    });
    return met;
}

// One matching term is enough; a term without requirements matches no node.
bool affinity_holds(JsonMap& required, const Labels& labels, const Labels& fields) {
    bool holds = false;
    required.each_map("nodeSelectorTerms", [&](JsonMap term) {
        std::size_t count = 0;
        const bool expressions = all_met(term, "matchExpressions", labels, count);
        const bool named = all_met(term, "matchFields", fields, count);
        holds = holds || (count != 0 && expressions && named);
    });
    return holds;
}

struct Taint {
    std::string key;
    std::string value;
};

std::vector<Taint> evicting_taints(JsonMap& node_spec) {
    std::vector<Taint> taints;
    node_spec.each_map("taints", [&](JsonMap taint) {
        const std::string key = taint.required_text("key");
        const bool evicts = taint.text("effect") == kNoExecute;
        const bool tolerated = std::any_of(kAlwaysTolerated.begin(), kAlwaysTolerated.end(),
                                           [&](const char* always) { return key == always; });
        if (evicts && !tolerated) {
            taints.push_back({key, taint.text("value")});
        }
    });
    return taints;
}

// tolerationSeconds does not matter: the controller wants the pod there, and creates another one
// after an eviction.
bool tolerates(JsonMap& toleration, const Taint& taint) {
    const std::string effect = toleration.text("effect");
    if (!effect.empty() && effect != kNoExecute) {
        return false;
    }
    const std::string key = toleration.text("key");
    const std::string wanted = toleration.text("operator");
    if (wanted == "Exists") {
        return key.empty() || key == taint.key;
    }
    if (wanted.empty() || wanted == "Equal") {
        return key == taint.key && toleration.text("value") == taint.value;
    }
    toleration.fail("operator", "\"" + wanted + "\" is not known");
    return false;
}

bool all_tolerated(JsonMap& pod_spec, const std::vector<Taint>& taints) {
    return std::all_of(taints.begin(), taints.end(), [&](const Taint& taint) {
        bool tolerated = false;
        pod_spec.each_map("tolerations", [&](JsonMap toleration) {
            tolerated = tolerates(toleration, taint) || tolerated;
        });
        return tolerated;
    });
}

bool labels_match(JsonMap& pod_spec, const Labels& labels) {
    const Labels selector = pod_spec.text_map("nodeSelector");
    return std::all_of(selector.begin(), selector.end(), [&](const auto& wanted) {
        const auto found = labels.find(wanted.first);
        return found != labels.end() && found->second == wanted.second;
    });
}

bool affinity_matches(JsonMap& pod_spec, const Labels& labels, const Labels& fields) {
    constexpr const char* kRequired = "requiredDuringSchedulingIgnoredDuringExecution";
    JsonMap node_affinity = pod_spec.map("affinity").map("nodeAffinity");
    if (!node_affinity.has(kRequired)) {
        return true;
    }
    JsonMap required = node_affinity.map(kRequired);
    return affinity_holds(required, labels, fields);
}

}  // namespace

Result<bool> selects_node(const json& daemon_set, const json& node) {
    JsonReader reader;
    JsonMap pod_spec = JsonMap(daemon_set, reader, "")
                           .required_map("spec")
                           .required_map("template")
                           .required_map("spec");
    JsonMap node_top(node, reader, "");
    const Labels labels = node_top.map("metadata").text_map("labels");
    const Labels fields = {{"metadata.name", metadata_text(node, "name")}};
    JsonMap node_spec = node_top.map("spec");
    const bool selected = labels_match(pod_spec, labels) &&
                          affinity_matches(pod_spec, labels, fields) &&
                          all_tolerated(pod_spec, evicting_taints(node_spec));
    if (reader.error()) {
        return *reader.error();
    }
    return selected;
}

}  // namespace fsm
