// Leaving a deletion note (common/cni/deletion_note.h), and taking it back.
#pragma once

#include <string>

#include "common/cni/deletion_note.h"
#include "common/result.h"

namespace fsm::plugin {

// Makes the directories where they are missing. A note of the same attachment is replaced.
Result<void> write_deletion_note(const std::string& state_dir, const cni::DeletionNote& note);

// Runtimes use a container id again when they restart a container: a note of an earlier DEL must
// not be carried out on what the ADD after it makes. That includes a note that an earlier plugin
// left, which names no network. No note is no error.
Result<void> withdraw_deletion_note(const std::string& state_dir, const cni::AttachmentKey& key);

}  // namespace fsm::plugin
