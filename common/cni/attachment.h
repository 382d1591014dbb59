// An attachment in the sense of the CNI specification: "(network name, CNI_CONTAINERID,
// CNI_IFNAME)".
#pragma once

#include <compare>
#include <string>

namespace fsm::cni {

// An interface of a container on one network. One interface can be attached to several networks: a
// plugin that delegates to the chain of another network (Multus) makes both attach "eth0".
struct Interface {
    std::string container_id;
    std::string ifname;

    auto operator<=>(const Interface&) const = default;
};

struct AttachmentKey {
    std::string container_id;
    std::string ifname;
    // Empty if unknown: the pod was found running, or its DEL came without a configuration.
    std::string network;

    Interface interface() const { return {container_id, ifname}; }
    // For messages: "<network>/<container id>/<interface>".
    std::string to_string() const;
    auto operator<=>(const AttachmentKey&) const = default;
};

// The base name, without suffix, of the attachment's files. It is unique, and short enough for a
// file name with a suffix, however long the parts are.
std::string file_stem(const AttachmentKey& key);

// The base name in versions in which the network was not part of it: "<container id>-<interface>".
// Files with such a name are read and removed, never written.
std::string former_file_stem(const Interface& interface);

}  // namespace fsm::cni
