// Deletion notes: what the plugin's DEL leaves on disk when the interceptor could not be told, for
// the interceptor to carry out when it comes back.
//
// One file per attachment in <state directory>/deleted:
//     {"ContainerID": "...", "IfName": "...", "Netns": "...", "Network": "..."}
// Netns is what the runtime passed and may be empty; notes of earlier plugins have no Network.
// Files whose names start with a dot are being written. What a note is about is in the file, not in
// its name. The interceptor removes a note once it has acted on it.
#pragma once

#include <string>
#include <string_view>

#include "common/cni/attachment.h"
#include "common/result.h"

namespace fsm::cni {

struct DeletionNote {
    AttachmentKey key;
    std::string netns;
};

std::string to_json(const DeletionNote& note);
Result<DeletionNote> parse_deletion_note(std::string_view text);

}  // namespace fsm::cni
