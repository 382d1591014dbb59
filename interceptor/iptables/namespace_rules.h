// NamespaceRules: creates, compares and removes the rules of one pod's network namespace, from
// outside.
//
// Threads: every function may be called from any thread, and enters the namespace with it; two
// calls for one namespace must not overlap.
#pragma once

#include <utility>
#include <vector>

#include "common/netns.h"
#include "common/result.h"
#include "interceptor/interception/enrolment.h"
#include "interceptor/iptables/rules.h"
#include "interceptor/iptables/tools.h"

namespace fsm {

// The tool's output directly after the rules were created, for comparison.
struct MadeRules {
    RuleSet ipv4;
    RuleSet ipv6;
    Directions ipv6_directions;  // in which the pod's IPv6 is intercepted
};

class NamespaceRules {
  public:
    explicit NamespaceRules(ChosenTool chosen) : chosen_(std::move(chosen)) {}

    const std::vector<KernelCapability>& capabilities() const { return chosen_.capabilities; }

    // Replaces the existing rules by the pod's. On failure the rules are unchanged.
    Result<MadeRules> make(const Netns& netns, const PodEnrolment& enrolment) const;
    // Whether the rules of make() are in place and need no addition; the error names the
    // difference.
    Result<void> check(const Netns& netns, const InterceptionPolicy& policy,
                       const MadeRules& made) const;
    // Whether the sidecar listens on IPv6 in a direction that make() has not intercepted.
    static Result<bool> lack_directions(const Netns& netns, const InterceptionPolicy& policy,
                                        const MadeRules& made);

    // No new connection is intercepted; open ones continue.
    Result<void> leave_tracking(const Netns& netns) const;
    // Removes everything: redirected connections are reset.
    Result<void> cut_and_remove(const Netns& netns) const;
    // The same with every installed kind of iptables.
    static Result<void> cut_and_remove_by(const std::vector<RuleTool>& tools, const Netns& netns);

  private:
    struct BothFamilies {
        RuleSet ipv4;
        RuleSet ipv6;
    };

    // In the calling thread's network namespace, which is the pod's.
    Result<MadeRules> make_here(const PodEnrolment& enrolment) const;
    Result<void> check_here(const InterceptionPolicy& policy, const MadeRules& made) const;
    Result<BothFamilies> read_both() const;
    Result<void> replace_both(const BothFamilies& before, const BothFamilies& wanted) const;

    ChosenTool chosen_;
};

}  // namespace fsm
