// Deletion notes: what DEL leaves on disk when the interceptor could not be told, so that it can
// clean up when it comes back.
//
// One file per attachment, <state_dir>/deleted/<container id>-<interface>.json:
//     {"ContainerID": "...", "IfName": "...", "Netns": "..."}
// Netns is what the runtime passed and may be empty. Files whose names start with a dot are being
// written and are none of a reader's business. The reader deletes a note once it has acted on it. A
// name is not proof of its content ("a-b" + "c" and "a" + "b-c" are one name): read the file.
#pragma once

#include <string>

#include "common/result.h"

namespace fsm {

// The container id and the interface name have passed the checks of environment.h, so they hold
// no '/' and do not start with a dot.
struct DeletionNote {
    std::string container_id;
    std::string ifname;
    std::string netns;
};

// Makes the directories where they are missing. A note of the same name is replaced.
Result<void> write_deletion_note(const std::string& state_dir, const DeletionNote& note);

// Runtimes use a container id again when they restart a container: a note of an earlier DEL must
// not be carried out on what the ADD after it makes. No note is no error.
Result<void> withdraw_deletion_note(const std::string& state_dir, const std::string& container_id,
                                    const std::string& ifname);

}  // namespace fsm
