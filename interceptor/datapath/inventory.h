// Inventory: the pods, maps, programs and counters of the data path.
//
// Threads: every function may be called from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/result.h"
#include "interceptor/datapath/node_attachments.h"
#include "interceptor/datapath/pod_parts.h"
#include "interceptor/datapath/programs.h"
#include "interceptor/interception/inspection.h"

namespace fsm {

class Inventory {
  public:
    // Everything that is passed by reference must outlive this object.
    Inventory(const PodParts& parts, const NodeAttachments& node, const LoadedObject& loaded)
        : parts_(parts), node_(node), loaded_(loaded) {}

    Result<EnrolledPod> describe(std::uint64_t netns_cookie, const struct fsm_pod& entry) const;
    Result<std::vector<EnrolledPod>> pods() const;
    Result<std::optional<EnrolledPod>> pod(std::uint64_t netns_cookie) const;
    Result<std::vector<DatapathMap>> maps() const;
    Result<std::vector<DatapathProgram>> programs() const;
    Result<std::vector<CounterValue>> counters() const;

  private:
    bool is_attached(const ProgramSpec& spec, const std::vector<EnrolledPod>& pods) const;

    const PodParts& parts_;
    const NodeAttachments& node_;
    const LoadedObject& loaded_;
};

}  // namespace fsm
