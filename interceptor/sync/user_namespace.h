// Ids of a pod with a user namespace of its own (spec.hostUsers: false), as the host sees them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/netns.h"
#include "common/result.h"

namespace fsm {

enum class IdKind : std::uint8_t { user, group };

// Translates an id that the pod knows to the one that the host knows, by the mapping of the user
// namespace that owns the network namespace, else by that of a process that runs in it. `proc` is
// where the host's processes are. An error when neither is there or the id is not mapped: a wrong
// id would send the sidecar's own traffic back to the sidecar.
Result<std::uint32_t> host_id(const Netns& netns, const std::string& proc, IdKind kind,
                              std::uint32_t id);

// One /proc/<pid>/uid_map or gid_map: lines of "<first inside> <first outside> <count>".
Result<std::uint32_t> translate_id(std::string_view map, std::uint32_t id);

}  // namespace fsm
