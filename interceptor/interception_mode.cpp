#include "interceptor/interception_mode.h"

#include <string>
#include <utility>

#include "common/failures.h"
#include "interceptor/datapath/open.h"
#include "interceptor/interception/handover.h"
#include "interceptor/interception/no_datapath.h"
#include "interceptor/iptables/iptables_datapath.h"
#include "interceptor/log/log.h"

namespace fsm {
namespace {

IptablesOptions iptables_options(const DatapathOptions& options) {
    return {options.run_directory, options.proc};
}

Result<std::unique_ptr<Datapath>> open_ebpf(const DatapathOptions& options) {
    FSM_ASSIGN(const bool has_former, IptablesDatapath::has_left_rules(iptables_options(options)));
    if (!has_former) {
        return open_kernel_datapath(options);
    }
    // First: without it nothing may be attached.
    auto former = IptablesDatapath::open(iptables_options(options));
    if (!former) {
        return std::move(former.error())
            .within(
                "pods have rules of an earlier run in mode iptables, which cannot be taken over");
    }
    FSM_ASSIGN(auto current, open_kernel_datapath(options));
    log::info("taking over the pods of mode iptables");
    return std::unique_ptr<Datapath>(new Handover(
        std::move(current), std::move(*former),
        [options] { return IptablesDatapath::remove_records(iptables_options(options)); }));
}

Result<std::unique_ptr<Datapath>> open_iptables(const DatapathOptions& options) {
    auto opened = IptablesDatapath::open(iptables_options(options));
    if (!opened) {
        return Error("trafficInterceptionMode iptables: " + opened.error().message() +
                     ", or choose trafficInterceptionMode: ebpf");
    }
    std::unique_ptr<Datapath> current = std::move(*opened);
    FSM_ASSIGN(const bool has_former, has_left_programs(options));
    if (!has_former) {
        return current;
    }
    auto former = open_kernel_datapath(options);
    if (!former) {
        return std::move(former.error())
            .within(
                "the data path of an earlier run in mode ebpf cannot be opened for the handover of "
                "its pods; `fsm-interceptor uninstall` removes it at once");
    }
    log::info("taking over the pods of mode ebpf");
    return std::unique_ptr<Datapath>(
        new Handover(std::move(current), std::move(*former),
                     [options] { return uninstall_kernel_datapath(options); }));
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
    failures.note(uninstall_kernel_datapath(options));
    failures.note(IptablesDatapath::uninstall(iptables_options(options)));
    return failures.result();
}

}  // namespace fsm
