// NamespaceRules: makes, compares and takes away the rules of one pod's network namespace, from
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

// What the tool printed right after the rules had been made: its own words, to compare with.
struct MadeRules {
    RuleSet ipv4;
    RuleSet ipv6;
    Directions ipv6_directions;  // that the pod's IPv6 is intercepted in
};

class NamespaceRules {
  public:
    explicit NamespaceRules(ChosenTool chosen) : chosen_(std::move(chosen)) {}

    const std::vector<KernelCapability>& capabilities() const { return chosen_.capabilities; }

    // Puts the pod's rules in place of what is there. On failure the rules are as before.
    Result<MadeRules> make(const Netns& netns, const PodEnrolment& enrolment) const;
    // Whether what make() made is in place, and nothing has to be added; the error names it.
    Result<void> check(const Netns& netns, const InterceptionPolicy& policy,
                       const MadeRules& made) const;
    // Whether the sidecar listens on IPv6 in a direction that make() has left alone.
    static Result<bool> lack_directions(const Netns& netns, const InterceptionPolicy& policy,
                                        const MadeRules& made);

    // No new connection is intercepted; those that are open go on.
    Result<void> leave_tracking(const Netns& netns) const;
    // Nothing stays: connections that were redirected are reset.
    Result<void> cut_and_remove(const Netns& netns) const;
    // The same with every kind of iptables that is installed.
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
