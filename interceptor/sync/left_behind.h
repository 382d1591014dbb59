// LeftBehind: what an earlier process has left: attachments on disk, files that it could not use,
// and pods that the data path holds although no attachment names them.
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
    // Everything referred to must outlive this.
    LeftBehind(AttachmentLifeCycle& attachments, const PodNamespaces& namespaces,
               const Inspection& inspection, Conditions& conditions)
        : attachments_(attachments),
          namespaces_(namespaces),
          inspection_(inspection),
          conditions_(conditions) {}

    // Fills the table from the disk. Once, at the start.
    Result<void> take_over();
    // After the start has enrolled what it can: what is left of the pods that the data path held is
    // named.
    void name_unknown_pods();
    // Looks again at what may have been mended since.
    void look();

  private:
    void adopt(Attachment attachment, const std::vector<EnrolledPod>& held);
    void look_at_files_set_aside();
    void look_at_unknown_pods();

    AttachmentLifeCycle& attachments_;
    const PodNamespaces& namespaces_;
    const Inspection& inspection_;
    Conditions& conditions_;
    std::map<std::string, std::string> set_aside_;  // file: why
    std::set<std::uint64_t> held_at_start_;         // cookies
    std::set<std::uint64_t> unknown_pods_;          // those that no attachment names
};

}  // namespace fsm
