#include "interceptor/interception_mode.h"

#include <string>
#include <utility>

#include "common/failures.h"
#include "interceptor/datapath/handover.h"
#include "interceptor/datapath/no_datapath.h"
#include "interceptor/datapath/pins.h"
#include "interceptor/iptables/iptables_datapath.h"
#include "interceptor/log/log.h"

namespace fsm {
namespace {

Result<bool> has_left_programs(const DatapathOptions& options) {
    FSM_ASSIGN(const auto pins, list_directory(PinTree(options.bpffs, options.name).root()));
    return !pins.empty();
}

Result<std::unique_ptr<Datapath>> open_ebpf(const DatapathOptions& options) {
    FSM_ASSIGN(const bool has_former, IptablesDatapath::has_left_rules(options));
    if (!has_former) {
        return Datapath::open(options);
    }
    // First: without it nothing must be attached.
    auto former = IptablesDatapath::open(options);
    if (!former) {
        return std::move(former.error())
            .within(
                "pods have rules of an earlier run in mode iptables, which cannot be taken over");
    }
    FSM_ASSIGN(auto current, Datapath::open(options));
    log::info("taking over the pods of mode iptables");
    return std::unique_ptr<Datapath>(
        new Handover(std::move(current), std::move(*former),
                     [options] { return IptablesDatapath::remove_records(options); }));
}

Result<std::unique_ptr<Datapath>> open_iptables(const DatapathOptions& options) {
    auto opened = IptablesDatapath::open(options);
    if (!opened) {
        return Error("trafficInterceptionMode iptables: " + opened.error().message() +
                     ", or choose trafficInterceptionMode: ebpf");
    }
    std::unique_ptr<Datapath> current = std::move(*opened);
    FSM_ASSIGN(const bool has_former, has_left_programs(options));
    if (!has_former) {
        return current;
    }
    auto former = Datapath::open(options);
    if (!former) {
        return std::move(former.error())
            .within(
                "an earlier run in mode ebpf has left its data path, which cannot be opened to "
                "hand its pods over; `fsm-interceptor uninstall` removes it at once");
    }
    log::info("taking over the pods of mode ebpf");
    return std::unique_ptr<Datapath>(
        new Handover(std::move(current), std::move(*former),
                     [options] { return Datapath::uninstall(options); }));
}

Result<std::unique_ptr<Datapath>> open_none(const DatapathOptions& options) {
    FSM_TRY(uninstall_datapaths(options));
    return std::unique_ptr<Datapath>(new NoDatapath());
}

}  // namespace

Result<std::unique_ptr<Datapath>> open_datapath(InterceptionMode mode,
                                                const DatapathOptions& options) {
    switch (mode) {
        case InterceptionMode::ebpf:
            return open_ebpf(options);
        case InterceptionMode::iptables:
            return open_iptables(options);
        case InterceptionMode::none:
            return open_none(options);
    }
    return Error("unknown mode of interception");
}

Result<void> uninstall_datapaths(const DatapathOptions& options) {
    Failures failures;
    failures.note(Datapath::uninstall(options));
    failures.note(IptablesDatapath::uninstall(options));
    return failures.result();
}

}  // namespace fsm
