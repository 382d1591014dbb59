// Processes deletion notes (common/cni/deletion_note.h).
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
    // Creates the directory: the plugin needs it while the interceptor does not run.
    static Result<DeletionNotes> open(const std::string& directory);

    // Locks the containers that a note concerns.
    using Locks = std::vector<KeyedMutex<std::string>::Guard>;
    using Lock = std::function<Locks(const cni::DeletionNote&)>;
    // Carries out a note, with its locks held; false keeps it for the next time.
    using Withdraw = std::function<bool(const cni::DeletionNote&)>;

    // Passes every note to `withdraw` and removes it on success. Invalid files are removed, too;
    // they are reported in the result.
    //
    // An ADD of the same attachment withdraws the note before it calls the interceptor: a note that
    // no longer exists when the container's lock is held is not processed.
    std::vector<std::string> consume(const Lock& lock, const Withdraw& withdraw) const;

  private:
    explicit DeletionNotes(std::string directory) : directory_(std::move(directory)) {}

    std::string directory_;
};

}  // namespace fsm
