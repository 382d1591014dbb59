#include "interceptor/datapath/kernel_probe.h"

#include <sys/utsname.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "common/guarded.h"
#include "interceptor/datapath/probe_trials.h"

namespace fsm {
namespace {

KernelCapability run_trial(const NamedTrial& named, ProbeLab& lab) {
    const auto outcome = named.trial(lab);
    if (!outcome) {
        return {named.name, false, "could not be tried: " + outcome.error().message()};
    }
    if (*outcome) {
        return {named.name, false, **outcome};
    }
    return {named.name, true, "as without a socket map"};
}

std::string list_of_failures(const std::vector<KernelCapability>& capabilities) {
    std::string list;
    for (const KernelCapability& capability : capabilities) {
        if (!capability.works) {
            list += (list.empty() ? "" : "; ") + capability.name + " (" + capability.detail + ")";
        }
    }
    return list;
}

std::string kernel_release() {
    utsname name{};
    return uname(&name) == 0 ? std::string("Linux ") + name.release : "this kernel";
}

void decide(KernelProbe& probe, const std::vector<KernelCapability>& sidecar_needs,
            const std::vector<KernelCapability>& full_needs) {
    const std::string against_sidecar = list_of_failures(sidecar_needs);
    const std::string against_full = list_of_failures(full_needs);
    probe.order_and_flow_control = against_sidecar.empty();
    if (!against_sidecar.empty()) {
        probe.automatic = Acceleration::off;
        probe.reason = kernel_release() + " does not allow acceleration: " + against_sidecar + ".";
    } else if (!against_full.empty()) {
        probe.automatic = Acceleration::sidecar;
        probe.reason =
            kernel_release() +
            " keeps order and flow control, but applications could notice: " + against_full + ".";
    } else {
        probe.automatic = Acceleration::full;
        probe.reason = kernel_release() + " passes every probe.";
    }
}

void try_acceleration(KernelProbe& probe, ProbeLab& lab) {
    std::vector<KernelCapability> sidecar_needs;
    std::vector<KernelCapability> full_needs;
    for (const NamedTrial& named : trials()) {
        const KernelCapability capability =
            lab.refusal().empty() ? run_trial(named, lab)
                                  : KernelCapability{named.name, false, lab.refusal()};
        (named.needed_for == NeededFor::sidecar ? sidecar_needs : full_needs).push_back(capability);
        probe.capabilities.push_back(capability);
    }
    decide(probe, sidecar_needs, full_needs);
}

bool record(KernelProbe& probe, const char* name, const ProbeLab& lab,
            const Result<void>& outcome) {
    const bool works = lab.refusal().empty() && outcome;
    std::string detail = "attached in a namespace of its own";
    if (!works) {
        detail = outcome ? lab.refusal() : outcome.error().message();
    }
    probe.capabilities.push_back({name, works, detail});
    return works;
}

Result<KernelProbe> probe_on_this_thread() {
    FSM_ASSIGN(const std::unique_ptr<ProbeLab> lab, ProbeLab::create());
    KernelProbe probe;
    const bool loaded = lab->refusal().empty();
    probe.sk_lookup =
        record(probe, "sk_lookup", *lab, loaded ? lab->try_sk_lookup() : Result<void>());
    probe.tc = record(probe, "tc", *lab, loaded ? lab->try_tc() : Result<void>());
    try_acceleration(probe, *lab);
    return probe;
}

}  // namespace

Result<KernelProbe> probe_kernel() {
    std::optional<KernelProbe> probe;
    Result<void> outcome;
    std::thread([&] {
        outcome = guarded("probe the kernel", [&]() -> Result<void> {
            FSM_ASSIGN(probe, probe_on_this_thread());
            return {};
        });
    }).join();
    FSM_TRY(std::move(outcome));
    return std::move(*probe);
}

}  // namespace fsm
