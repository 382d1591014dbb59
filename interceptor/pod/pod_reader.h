// Converts the fields of a Pod object to the pod model, for every notation.
//
// `Map` is a FieldMap (common/document/field_map.h) of that notation; its first complaint is kept
// by its reader, and what is returned after one is not to be used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "interceptor/pod/pod.h"

namespace fsm {

// What Kubernetes accepts as the name of a pod (a DNS subdomain) and of a namespace (a DNS label).
bool is_pod_name(std::string_view text);
bool is_namespace_name(std::string_view text);
// The error messages for invalid names.
std::string not_a_pod_name(std::string_view text);
std::string not_a_namespace_name(std::string_view text);

namespace detail {

template <typename Map>
std::optional<std::uint32_t> read_id(Map& map, const std::string& key) {
    constexpr std::uint64_t kLastId = std::numeric_limits<std::uint32_t>::max() - 1;
    const auto value = map.number(key, 0, kLastId);
    return value ? std::optional(static_cast<std::uint32_t>(*value)) : std::nullopt;
}

// Names become parts of file names and messages: only those that Kubernetes accepts are valid.
template <typename Map>
PodName read_pod_name(Map& metadata) {
    PodName name{metadata.optional_text("namespace").value_or("default"),
                 metadata.required_text("name")};
    if (!is_pod_name(name.name)) {
        metadata.fail("name", not_a_pod_name(name.name));
    }
    if (!is_namespace_name(name.pod_namespace)) {
        metadata.fail("namespace", not_a_namespace_name(name.pod_namespace));
    }
    return name;
}

// Values from elsewhere (valueFrom) are unknown here. Of two entries with one name the last one
// counts, as for the kubelet.
template <typename Map>
void read_environment(Map& container, Container& result) {
    container.each_map("env", [&](Map entry) {
        const std::string name = entry.required_text("name");
        if (!entry.has("valueFrom")) {
            result.environment[name] = entry.text("value");
        }
    });
}

// The user and group of a security context; members that it does not set stay unchanged.
template <typename Map>
void read_identity(Map& owner, Container& container) {
    Map security = owner.map("securityContext");
    if (const auto user = read_id(security, "runAsUser")) {
        container.run_as_user = user;
    }
    if (const auto group = read_id(security, "runAsGroup")) {
        container.run_as_group = group;
    }
}

template <typename Map>
Container read_container(Map& map, const Container& defaults) {
    Container container = defaults;
    container.name = map.required_text("name");
    if (container.kind == Container::Kind::init && map.text("restartPolicy") == "Always") {
        container.kind = Container::Kind::native_sidecar;
    }
    read_identity(map, container);
    container.arguments = map.texts("args");
    read_environment(map, container);
    return container;
}

// Returns the number of containers.
template <typename Map>
std::size_t read_containers(Map& spec, const std::string& key, const Container& defaults,
                            Pod& pod) {
    const std::size_t before = pod.containers.size();
    spec.each_map(key,
                  [&](Map entry) { pod.containers.push_back(read_container(entry, defaults)); });
    return pod.containers.size() - before;
}

// From the kubelet's report.
template <typename Map>
void read_addresses(Map& top, Pod& pod) {
    Map status = top.map("status");
    status.each_map("podIPs", [&](Map entry) {
        if (auto address = IpAddress::parse(entry.text("ip"))) {
            pod.addresses.insert(*address);
        }
    });
}

// "containerd://<id>" -> "<id>".
inline std::string id_without_runtime(const std::string& text) {
    const auto scheme = text.find("://");
    return scheme == std::string::npos ? text : text.substr(scheme + 3);
}

// From the kubelet's report; a waiting or terminated container has no processes.
template <typename Map>
void read_running_containers(Map& top, Pod& pod) {
    Map status = top.map("status");
    for (const char* key :
         {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"}) {
        status.each_map(key, [&](Map entry) {
            const std::string id = id_without_runtime(entry.text("containerID"));
            if (!id.empty() && entry.map("state").has("running")) {
                pod.running_containers[entry.text("name")] = id;
            }
        });
    }
}

}  // namespace detail

// `top` is the whole object: metadata, spec and status.
template <typename Map>
Pod read_pod(Map& top) {
    Pod pod;
    Map metadata = top.required_map("metadata");
    pod.name = detail::read_pod_name(metadata);
    pod.uid = metadata.text("uid");
    pod.labels = metadata.text_map("labels");
    pod.annotations = metadata.text_map("annotations");

    Map spec = top.required_map("spec");
    pod.host_network = spec.boolean("hostNetwork", false);
    pod.user_namespace = !spec.boolean("hostUsers", true);
    Container defaults;
    detail::read_identity(spec, defaults);
    defaults.kind = Container::Kind::init;
    detail::read_containers(spec, "initContainers", defaults, pod);
    defaults.kind = Container::Kind::ordinary;
    if (detail::read_containers(spec, "containers", defaults, pod) == 0) {
        spec.fail("containers", "must name at least one container");
    }
    detail::read_addresses(top, pod);
    detail::read_running_containers(top, pod);
    return pod;
}

}  // namespace fsm
