// Writes a deletion note (common/cni/deletion_note.h), and withdraws it.
#pragma once

#include <string>

#include "common/cni/deletion_note.h"
#include "common/result.h"

namespace fsm::plugin {

// Creates missing directories. Replaces a note of the same attachment.
Result<void> write_deletion_note(const std::string& state_dir, const cni::DeletionNote& note);

// Runtimes reuse a container id when they restart a container: the note of an earlier DEL must not
// be applied to the attachment of a later ADD. That includes a note of an earlier plugin, which
// names no network. Succeeds without a note.
Result<void> withdraw_deletion_note(const std::string& state_dir, const cni::AttachmentKey& key);

}  // namespace fsm::plugin
