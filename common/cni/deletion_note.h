// Deletion notes: files in which the plugin's DEL records a deletion when it cannot reach the
// interceptor. The interceptor performs the deletion when it runs again.
//
// One file per attachment in <state directory>/deleted:
//     {"ContainerID": "...", "IfName": "...", "Netns": "...", "Network": "..."}
// Netns is the path that the runtime passed and may be empty; notes of earlier plugins have no
// Network. A file whose name starts with a dot is still being written. The content identifies the
// attachment, not the file's name. The interceptor removes a note after it has processed it.
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
