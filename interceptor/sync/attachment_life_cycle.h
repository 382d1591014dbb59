// AttachmentLifeCycle: an attachment begins, is remembered on disk and in the table, and ends; and
// what serialises the operations on one.
//
// Every attachment is remembered, those of pods outside the mesh too, so that a pod that enters the
// mesh later is found.
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

// Threads: every function may be called from any thread. What changes an attachment is called with
// its container's lock held.
class AttachmentLifeCycle {
  public:
    using Locks = std::vector<KeyedMutex<std::string>::Guard>;

    // `proc`: where the host's processes are found. Interception and conditions must outlive this.
    AttachmentLifeCycle(AttachmentStore store, PodInterception& interception,
                        Conditions& conditions, const std::string& proc)
        : store_(std::move(store)), keeper_(interception, table_, proc), conditions_(conditions) {}

    const AttachmentStore& store() const { return store_; }
    AttachmentTable& table() { return table_; }
    const AttachmentTable& table() const { return table_; }
    EnrolmentKeeper& keeper() { return keeper_; }
    KeyedMutex<std::string>& locks() { return locks_; }

    // The lock of the container, and those of the attachments that `concerned` tells of.
    Locks lock_containers(const std::string& container,
                          const std::function<std::vector<AttachmentKey>()>& concerned);

    // On disk first: a crash after this is cleaned up by the next start, a crash between enrolling
    // and writing would leave an enrolment that no attachment names.
    Result<void> begin(const AttachmentState& state);
    // A change of what is remembered; a failure is a condition, and tried again by the caller.
    Result<void> save(const Attachment& attachment);
    // Leaves things as they were before begin(): what `previous` says, or nothing.
    void take_back(const AttachmentState& state, const Netns& netns,
                   const std::optional<AttachmentState>& previous);
    // The attachment goes, and with the last one of its namespace the interception. `netns` is null
    // when the namespace is gone.
    Result<void> end(const AttachmentState& state, const Netns* netns);
    // Only what is remembered goes.
    void drop(const AttachmentKey& key);

  private:
    const AttachmentStore store_;
    AttachmentTable table_;
    EnrolmentKeeper keeper_;
    KeyedMutex<std::string> locks_;  // by container
    Conditions& conditions_;
};

}  // namespace fsm
