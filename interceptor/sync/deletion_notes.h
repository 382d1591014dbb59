// Carrying out deletion notes (common/cni/deletion_note.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/cni/deletion_note.h"
#include "common/keyed_mutex.h"
#include "common/result.h"

namespace fsm {

class DeletionNotes {
  public:
    // Makes the directory: the plugin must find it while the interceptor is away.
    static Result<DeletionNotes> open(const std::string& directory);

    // Takes the locks of the containers that a note concerns.
    using Locks = std::vector<KeyedMutex<std::string>::Guard>;
    using Lock = std::function<Locks(const cni::DeletionNote&)>;
    // Carries out a note, with its locks held; false keeps it for the next time.
    using Withdraw = std::function<bool(const cni::DeletionNote&)>;

    // Hands every note to `withdraw` and removes it when that succeeds. What cannot be read as a
    // note is removed too; the sentences that say so are returned.
    //
    // An ADD of the same attachment takes the note back before it asks the interceptor: a note that
    // is gone once the container's lock is held is not carried out.
    std::vector<std::string> consume(const Lock& lock, const Withdraw& withdraw) const;

  private:
    explicit DeletionNotes(std::string directory) : directory_(std::move(directory)) {}

    std::string directory_;
};

}  // namespace fsm
