// HostPaths: translates a container runtime's paths to this process's. On a node they are equal; in
// a container the host's /var/run and /proc are mounted elsewhere.
#pragma once

#include <string>

namespace fsm {

struct HostPaths {
    std::string var_run = "/var/run";
    std::string proc = "/proc";

    // "/run/netns/x" and "/var/run/netns/x" -> "<var_run>/netns/x", "/proc/1/ns/net" ->
    // "<proc>/1/ns/net"; other paths stay.
    std::string translate(const std::string& path) const;
    bool operator==(const HostPaths&) const = default;
};

}  // namespace fsm
