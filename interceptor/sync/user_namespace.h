// The host's ids of a pod with its own user namespace (spec.hostUsers: false).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/netns.h"
#include "common/result.h"

namespace fsm {

enum class IdKind : std::uint8_t { user, group };

// Translates a pod's id to the host's, by the mapping of the user namespace that owns the network
// namespace, or else by that of a process in it. `proc`: the host's processes. An error if neither
// exists or the id is not mapped: with a wrong id the sidecar's own traffic would be redirected to
// itself.
Result<std::uint32_t> host_id(const Netns& netns, const std::string& proc, IdKind kind,
                              std::uint32_t id);

// One /proc/<pid>/uid_map or gid_map: lines of "<first inside> <first outside> <count>".
Result<std::uint32_t> translate_id(std::string_view map, std::uint32_t id);

}  // namespace fsm
