#include "interceptor/kubernetes/pod_json.h"

#include <algorithm>
#include <array>
#include <exception>
#include <initializer_list>
#include <utility>

#include "common/document/json_map.h"
#include "interceptor/pod/pod_reader.h"

namespace fsm {

namespace {

using nlohmann::json;

// The uid that the kubelet uses for a static pod, in CNI arguments and cgroup paths. The API's
// object has another one, which the node does not use.
constexpr const char* kMirrorPod = "kubernetes.io/config.mirror";
// A copy of the whole pod.
constexpr const char* kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

// Members of metadata and spec; labels and annotations lie deeper and keep theirs.
bool is_bulk(const json& key) {
    static constexpr std::array<const char*, 4> kBulk = {"managedFields", "volumes", "affinity",
                                                         "tolerations"};
    const auto& name = key.get_ref<const std::string&>();
    return std::any_of(kBulk.begin(), kBulk.end(), [&](const char* bulk) { return name == bulk; });
}

bool is_one_of(const json& key, std::initializer_list<const char*> names) {
    const auto& name = key.get_ref<const std::string&>();
    return std::any_of(names.begin(), names.end(), [&](const char* each) { return name == each; });
}

// In a pod's status: its addresses, and the running containers with their runtime ids. Depths are
// below the object's members: status, its lists, their entries.
bool is_wanted_of_status(int depth, const json& key) {
    switch (depth) {
        case 1:
            return is_one_of(key, {"podIPs", "containerStatuses", "initContainerStatuses",
                                   "ephemeralContainerStatuses"});
        case 3:
            return is_one_of(key, {"ip", "name", "containerID", "state"});
        case 4:
            return key == "running";
        default:
            return depth < 1;
    }
}

}  // namespace

Result<json> parse_api_json(std::string_view text, JsonForm form) {
    const int members_at = static_cast<int>(form);
    bool in_status = false;
    const auto wanted = [&](int depth, json::parse_event_t event, json& parsed) {
        if (event != json::parse_event_t::key) {
            return true;
        }
        if (depth == members_at) {
            in_status = parsed == "status";
        }
        return in_status ? is_wanted_of_status(depth - members_at, parsed)
                         : !(depth == members_at + 1 && is_bulk(parsed));
    };
    try {
        json document = json::parse(text.begin(), text.end(), wanted, false);
        if (!document.is_object()) {
            return Error("is not a JSON object", EBADMSG);
        }
        return document;
    } catch (const std::exception& failure) {
        return Error(std::string("cannot be read as JSON: ") + failure.what(), EBADMSG);
    }
}

Result<Pod> read_api_pod(const json& object) {
    JsonReader reader;
    JsonMap top(object, reader, "");
    Pod pod = read_pod(top);
    if (reader.error()) {
        return *reader.error();
    }
    if (const auto mirrored = pod.annotations.find(kMirrorPod);
        mirrored != pod.annotations.end() && !mirrored->second.empty()) {
        pod.uid = mirrored->second;
    }
    pod.annotations.erase(kLastApplied);
    return pod;
}

std::string metadata_text(const json& object, const char* key) {
    if (!object.is_object()) {
        return {};
    }
    const auto metadata = object.find("metadata");
    if (metadata == object.end() || !metadata->is_object()) {
        return {};
    }
    const auto found = metadata->find(key);
    return found != metadata->end() && found->is_string() ? found->get<std::string>()
                                                          : std::string();
}

}  // namespace fsm
