// Pod: the interceptor's model of a Kubernetes Pod, from any source.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/ip_address.h"

namespace fsm {

struct PodName {
    std::string pod_namespace;
    std::string name;

    // "namespace/name", as in logs and messages.
    std::string to_string() const { return pod_namespace + "/" + name; }
    auto operator<=>(const PodName&) const = default;
};

struct Container {
    std::string name;
    // An init container with restartPolicy Always is a native sidecar: it runs beside the
    // application for the pod's whole life.
    enum class Kind : std::uint8_t { ordinary, init, native_sidecar } kind = Kind::ordinary;
    // As seen in the pod: in a user namespace the host sees shifted ids.
    std::optional<std::uint32_t> run_as_user;  // the container's, else the pod's securityContext
    std::optional<std::uint32_t> run_as_group;
    std::vector<std::string> arguments;              // the container's `args`
    std::map<std::string, std::string> environment;  // literal values only

    bool operator==(const Container&) const = default;
};

// When this pod became known. Two readings of one pod are equal, whenever they were made.
struct KnownSince {
    std::chrono::steady_clock::time_point time = std::chrono::steady_clock::now();

    bool operator==(const KnownSince&) const { return true; }
};

struct Pod {
    PodName name;
    std::string uid;  // metadata.uid; empty if unknown
    std::map<std::string, std::string> labels;
    std::map<std::string, std::string> annotations;
    // Annotations of the pod's namespace, for meshes whose pods inherit settings from it. Empty if
    // unknown.
    std::map<std::string, std::string> namespace_annotations;
    std::vector<Container> containers;  // init containers included
    // From the pod's status: the addresses that the cluster has assigned. Empty if unknown.
    std::set<IpAddress> addresses;
    // From the pod's status: the names of the running containers (including ephemeral ones), with
    // their runtime ids. Empty if unknown.
    std::map<std::string, std::string> running_containers;
    bool host_network = false;
    bool user_namespace = false;  // spec.hostUsers: false
    KnownSince known;

    // For a source that reads a pod again: it is the same pod as `before`, and known as long.
    void continue_from(const Pod& before) {
        if (uid == before.uid) {
            known = before.known;
        }
    }

    bool operator==(const Pod&) const = default;
};

}  // namespace fsm
