// The iptables programs of this system, and the rules of one network namespace.
//
// There are two kinds of iptables: "nft", over nf_tables, and "legacy", over the older kernel
// interface. A probe in a separate network namespace finds out which one works.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "interceptor/interception/inspection.h"
#include "interceptor/iptables/rules.h"

namespace fsm {

// One kind of iptables. Threads: read() and replace() may be called from any thread; they work in
// the calling thread's network namespace.
class RuleTool {
  public:
    // Each kind once. A kind that lacks a program is omitted; ip6tables may be missing.
    static std::vector<RuleTool> installed();

    const std::string& name() const { return name_; }        // "nft", "legacy"
    const std::string& version() const { return version_; }  // "iptables-nft-restore v1.8.9 (…)"

    // The project's own rules.
    Result<RuleSet> read(Family family) const;
    // Whether rules can exist: a query by the legacy tools would create the table.
    bool may_have_rules(Family family) const;
    // In one transaction: on failure nothing has changed.
    Result<void> replace(Family family, const RuleSet& present, const RuleSet& wanted) const;

  private:
    struct Programs {
        std::string save;
        std::string restore;
    };

    const Programs& programs(Family family) const {
        return family == Family::ipv4 ? programs4_ : programs6_;
    }

    std::string name_;
    std::string version_;
    Programs programs4_;
    Programs programs6_;
};

struct ChosenTool {
    RuleTool tool;
    std::vector<RuleTool> others;  // other installed ones: an earlier run may have used one
    std::vector<KernelCapability> capabilities;
};

// The first kind that supports everything that the rules need, at least for IPv4. The error lists
// what each kind lacks, and what to do.
Result<ChosenTool> choose_rule_tool();

}  // namespace fsm
