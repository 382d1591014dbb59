// The iptables programs of this system, and the rules of one network namespace through them.
//
// There are two kinds of iptables: over nf_tables ("nft") and over the old interface of the kernel
// ("legacy"). Which one works is found out by trying, in a network namespace made for that.
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
    // Each kind once. One of which a program is missing is left out, but for those of ip6tables.
    static std::vector<RuleTool> installed();

    const std::string& name() const { return name_; }        // "nft", "legacy"
    const std::string& version() const { return version_; }  // "iptables-nft-restore v1.8.9 (…)"

    // Our own rules.
    Result<RuleSet> read(Family family) const;
    // Whether there can be any: looking with the legacy tools would make the table.
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
    std::vector<RuleTool> others;  // that are installed: an earlier run may have used one
    std::vector<KernelCapability> capabilities;
};

// The first kind that can do all that our rules need, for IPv4 at least. The error says what each
// of them is missing, and what to do.
Result<ChosenTool> choose_rule_tool();

}  // namespace fsm
