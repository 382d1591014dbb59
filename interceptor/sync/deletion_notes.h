// Deletion notes: what the CNI plugin leaves on disk when DEL finds no interceptor to talk to,
// <directory>/<container id>-<ifname>.json with {"ContainerID","IfName","Netns"}.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/keyed_mutex.h"
#include "common/result.h"
#include "interceptor/sync/cni_request.h"

namespace fsm {

class DeletionNotes {
  public:
    // Makes the directory: the plugin must find it while the interceptor is away.
    static Result<DeletionNotes> open(const std::string& directory);

    // Carries out a note, with its container's lock held; false keeps it for the next time.
    using Withdraw = std::function<bool(const CniRequest&)>;

    // Hands every note to `withdraw` and removes it when that succeeds. What cannot be read as a
    // note is removed too; the sentences that say so are returned.
    //
    // An ADD of the same attachment takes the note back before it asks the interceptor: a note that
    // is gone once the container's lock is held is not carried out.
    std::vector<std::string> consume(KeyedMutex<std::string>& container_locks,
                                     const Withdraw& withdraw) const;

  private:
    explicit DeletionNotes(std::string directory) : directory_(std::move(directory)) {}

    std::string directory_;
};

}  // namespace fsm
