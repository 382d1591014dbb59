// What the CNI specification calls an attachment: "(network name, CNI_CONTAINERID, CNI_IFNAME)".
#pragma once

#include <compare>
#include <string>

namespace fsm::cni {

// An interface of a container. One interface can be attached to several networks: a plugin that
// delegates to another network's chain (Multus) has both attach "eth0".
struct Interface {
    std::string container_id;
    std::string ifname;

    auto operator<=>(const Interface&) const = default;
};

struct AttachmentKey {
    std::string container_id;
    std::string ifname;
    // Empty: not known. The pod was found running, or its DEL came without a configuration.
    std::string network;

    Interface interface() const { return {container_id, ifname}; }
    // For messages: "<network>/<container id>/<interface>".
    std::string to_string() const;
    auto operator<=>(const AttachmentKey&) const = default;
};

// The name, without an ending, of the files that belong to the attachment. Each attachment has
// another one, and it fits into a file name with much room for endings, however long the parts are.
std::string file_stem(const AttachmentKey& key);

// What it was when the network was no part of it: "<container id>-<interface>". Files of that name
// are read and removed, never written.
std::string former_file_stem(const Interface& interface);

}  // namespace fsm::cni
