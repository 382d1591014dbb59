#include "interceptor/iptables/tools.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "common/file.h"
#include "common/guarded.h"
#include "common/netns.h"
#include "interceptor/iptables/command.h"

namespace fsm {
namespace {

constexpr std::chrono::milliseconds kTimeLimit{10000};
constexpr const char* kLockWait = "5";  // seconds, for the lock of the legacy tools
constexpr std::size_t kNamesLimit = 4096;
constexpr std::uint16_t kTrialPort = 15001;

// Runs in a new network namespace, which exists as long as the result.
Result<Netns> scratch_netns() {
    std::optional<Netns> made;
    Result<void> outcome;
    std::thread([&] {
        outcome = guarded("try iptables", [&]() -> Result<void> {
            if (unshare(CLONE_NEWNET) != 0) {
                return Error::from_errno("make a network namespace to try iptables in");
            }
            FSM_ASSIGN(made, Netns::current());
            return {};
        });
    }).join();
    FSM_TRY(std::move(outcome));
    return std::move(*made);
}

// Every feature that the rules use: REDIRECT, the owner match, both hooks.
RuleSet trial_rules(Family family) {
    PodEnrolment enrolment;
    InterceptionPolicy& policy = enrolment.policy;
    policy.sidecar_uid = 1;
    policy.sidecar_gid = 1;
    policy.outbound_port4 = policy.outbound_port6 = kTrialPort;
    policy.inbound_port4 = policy.inbound_port6 = kTrialPort + 1;
    policy.self_call_exempt_port = kTrialPort + 2;
    return render_rules(enrolment, family, {true, true});
}

Result<void> try_rules(const RuleTool& tool, const Netns& netns, Family family) {
    Result<void> outcome;
    FSM_TRY(netns.run([&] { outcome = tool.replace(family, {}, trial_rules(family)); }));
    return outcome;
}

constexpr const char* kAdvice =
    "Install Debian's package iptables (or what has iptables-restore and ip6tables-restore "
    "elsewhere), see that the kernel has the nat table and the owner match (modules nft_compat, "
    "nft_nat or iptable_nat; xt_REDIRECT, xt_owner)";

}  // namespace

std::vector<RuleTool> RuleTool::installed() {
    std::vector<RuleTool> tools;
    // Without a kind in its name it is the system's default, or an old one that is always "legacy".
    for (const std::string suffix : {"-nft", "", "-legacy"}) {
        RuleTool tool;
        tool.programs4_ = {find_program("iptables" + suffix + "-save"),
                           find_program("iptables" + suffix + "-restore")};
        tool.programs6_ = {find_program("ip6tables" + suffix + "-save"),
                           find_program("ip6tables" + suffix + "-restore")};
        if (tool.programs4_.save.empty() || tool.programs4_.restore.empty()) {
            continue;
        }
        const auto version = run_command({tool.programs4_.restore, "--version"}, "", kTimeLimit);
        tool.version_ = version ? version->substr(0, version->find('\n')) : "version not known";
        const bool nft = tool.version_.find("nf_tables") != std::string::npos;
        tool.name_ = suffix.empty() ? (nft ? "nft" : "legacy") : suffix.substr(1);
        const bool known = std::any_of(tools.begin(), tools.end(), [&](const RuleTool& other) {
            return other.name_ == tool.name_;
        });
        if (!known) {
            tools.push_back(std::move(tool));
        }
    }
    return tools;
}

bool RuleTool::may_have_rules(Family family) const {
    if (programs(family).save.empty()) {
        return false;
    }
    if (name_ != "legacy") {
        return true;
    }
    const auto names = read_file(family == Family::ipv4 ? "/proc/thread-self/net/ip_tables_names"
                                                        : "/proc/thread-self/net/ip6_tables_names",
                                 kNamesLimit);
    return names && ("\n" + *names).find("\nnat\n") != std::string::npos;
}

Result<RuleSet> RuleTool::read(Family family) const {
    if (!may_have_rules(family)) {
        return RuleSet();
    }
    FSM_ASSIGN(const std::string saved,
               run_command({programs(family).save, "-t", "nat"}, "", kTimeLimit));
    return own_rules(saved);
}

Result<void> RuleTool::replace(Family family, const RuleSet& present, const RuleSet& wanted) const {
    if (programs(family).restore.empty()) {
        return Error("ip6tables-restore (" + name_ + ") is not installed: IPv6 needs it", ENOENT);
    }
    FSM_TRY(run_command({programs(family).restore, "--noflush", "--wait", kLockWait},
                        replacement(present, wanted), kTimeLimit));
    return {};
}

Result<ChosenTool> choose_rule_tool() {
    std::vector<RuleTool> tools = RuleTool::installed();
    if (tools.empty()) {
        return Error(std::string("neither iptables-nft-restore, "
                                 "iptables-legacy-restore nor iptables-restore is in PATH. ") +
                         kAdvice,
                     ENOENT);
    }
    FSM_ASSIGN(const Netns scratch, scratch_netns());
    std::vector<KernelCapability> capabilities;
    std::optional<RuleTool> chosen;
    std::string failures;
    for (const RuleTool& tool : tools) {
        const std::string what = "iptables (" + tool.name() + ")";
        const auto works = try_rules(tool, scratch, Family::ipv4);
        capabilities.push_back(
            {what, static_cast<bool>(works), works ? tool.version() : works.error().message()});
        if (!works) {
            failures += works.error().message() + ". ";
        } else if (!chosen) {
            chosen = tool;
        }
    }
    if (!chosen) {
        return Error("the kernel refuses iptables rules. " + failures + kAdvice);
    }
    const auto ipv6 = try_rules(*chosen, scratch, Family::ipv6);
    capabilities.push_back({"ip6tables (" + chosen->name() + ")", static_cast<bool>(ipv6),
                            ipv6 ? "pods' IPv6 can be intercepted" : ipv6.error().message()});
    std::erase_if(tools, [&](const RuleTool& tool) { return tool.name() == chosen->name(); });
    return ChosenTool{std::move(*chosen), std::move(tools), std::move(capabilities)};
}

}  // namespace fsm
