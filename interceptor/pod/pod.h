// Pod: what the interceptor knows of a Kubernetes Pod, whatever source it came from.
#pragma once

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
    // As the pod sees it: in a user namespace the host sees a shifted id.
    std::optional<std::uint32_t> run_as_user;  // the container's, else the pod's securityContext
    std::optional<std::uint32_t> run_as_group;
    std::vector<std::string> arguments;              // the container's `args`
    std::map<std::string, std::string> environment;  // literal values only

    bool operator==(const Container&) const = default;
};

struct Pod {
    PodName name;
    std::string uid;  // metadata.uid; empty when the source does not say
    std::map<std::string, std::string> labels;
    std::map<std::string, std::string> annotations;
    // Of the pod's namespace, for the meshes whose pods inherit settings from there. Empty when the
    // source does not say.
    std::map<std::string, std::string> namespace_annotations;
    std::vector<Container> containers;  // init containers included
    // From the pod's status: what the cluster has given to it. Empty when the source does not say.
    std::set<IpAddress> addresses;
    // From the pod's status: the names of the containers that run now (ephemeral ones too), with
    // the ids by which the runtime knows them. Empty when the source does not say.
    std::map<std::string, std::string> running_containers;
    bool host_network = false;
    bool user_namespace = false;  // spec.hostUsers: false

    bool operator==(const Pod&) const = default;
};

}  // namespace fsm
