// LeftBehind: the state of an earlier process: attachments on disk, invalid files, and pods in the
// data path without an attachment.
//
// Threads: one at a time: the start, then the thread of the passes.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/result.h"
#include "interceptor/health/conditions.h"
#include "interceptor/interception/inspection.h"
#include "interceptor/sync/attachment_life_cycle.h"
#include "interceptor/sync/pod_namespaces.h"

namespace fsm {

class LeftBehind {
  public:
    // Everything that is passed by reference must outlive this object.
    LeftBehind(AttachmentLifeCycle& attachments, const PodNamespaces& namespaces,
               const Inspection& inspection, Conditions& conditions)
        : attachments_(attachments),
          namespaces_(namespaces),
          inspection_(inspection),
          conditions_(conditions) {}

    // Fills the table from disk. Call once, at the start.
    Result<void> take_over();
    // Call after the start has enrolled what it can: reports the remaining pods of the data path.
    void name_unknown_pods();
    // Checks again which problems have been resolved.
    void look();

  private:
    void adopt(Attachment attachment, const std::vector<EnrolledPod>& held);
    void check_set_aside_files();
    void recheck_unknown_pods();

    AttachmentLifeCycle& attachments_;
    const PodNamespaces& namespaces_;
    const Inspection& inspection_;
    Conditions& conditions_;
    std::map<std::string, std::string> set_aside_;  // reason, by file
    std::set<std::uint64_t> held_at_start_;         // cookies
    std::set<std::uint64_t> unknown_pods_;          // those without an attachment
};

}  // namespace fsm
