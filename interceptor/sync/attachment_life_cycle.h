// AttachmentLifeCycle: the beginning and end of an attachment, in the table and on disk, and the
// locks that serialise the operations on one.
//
// Attachments of pods outside the mesh are stored, too, so that a pod that enters the mesh later is
// known.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/keyed_mutex.h"
#include "common/netns.h"
#include "common/result.h"
#include "interceptor/health/conditions.h"
#include "interceptor/interception/pod_interception.h"
#include "interceptor/sync/attachment_store.h"
#include "interceptor/sync/attachment_table.h"
#include "interceptor/sync/enrolment_keeper.h"

namespace fsm {

// Threads: every function may be called from any thread. Functions that change an attachment
// require its container's lock.
class AttachmentLifeCycle {
  public:
    using Locks = std::vector<KeyedMutex<std::string>::Guard>;

    // `proc`: the host's processes. Interception and conditions must outlive this object.
    AttachmentLifeCycle(AttachmentStore store, PodInterception& interception,
                        Conditions& conditions, const std::string& proc)
        : store_(std::move(store)), keeper_(interception, table_, proc), conditions_(conditions) {}

    const AttachmentStore& store() const { return store_; }
    AttachmentTable& table() { return table_; }
    const AttachmentTable& table() const { return table_; }
    EnrolmentKeeper& keeper() { return keeper_; }
    KeyedMutex<std::string>& locks() { return locks_; }

    // Locks the container, and the containers that `concerned` returns.
    Locks lock_containers(const std::string& container,
                          const std::function<std::vector<AttachmentKey>()>& concerned);

    // Writes to disk first: after a crash the next start cleans up, while a crash between enrolling
    // and writing would leave an enrolment without an attachment.
    Result<void> begin(const AttachmentState& state);
    // Stores a change; a failure is a condition, and the caller retries.
    Result<void> save(const Attachment& attachment);
    // Restores the state before begin(): `previous`, or nothing.
    void take_back(const AttachmentState& state, const Netns& netns,
                   const std::optional<AttachmentState>& previous);
    // Removes the attachment and, with the last one of its namespace, the interception. `netns` is
    // null if the namespace no longer exists.
    Result<void> end(const AttachmentState& state, const Netns* netns);
    // Removes only the stored data.
    void drop(const AttachmentKey& key);

  private:
    const AttachmentStore store_;
    AttachmentTable table_;
    EnrolmentKeeper keeper_;
    KeyedMutex<std::string> locks_;  // by container
    Conditions& conditions_;
};

}  // namespace fsm
