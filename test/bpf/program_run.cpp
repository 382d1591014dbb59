#include "test/bpf/program_run.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace fsm::test {
namespace {

constexpr std::size_t kMostGrowth = 256;

void expect_run(int failed, const char* what) {
    if (failed != 0) {
        throw std::runtime_error(std::string("the kernel does not run ") + what + ": " +
                                 std::strerror(errno));
    }
}

}  // namespace

ProgramRun::ProgramRun()
    : loaded_(must(load_programs(instance_.options, {kFeatures.begin(), kFeatures.end()}, {}))),
      ingress_(must(loaded_.pod_programs.at("fsm_ingress").make(kCookie))),
      egress_(must(loaded_.pod_programs.at("fsm_egress").make(kCookie))),
      lookup_(must(loaded_.pod_programs.at("fsm_lookup").make(kCookie))) {
    for (const ProgramCall& call : program_calls()) {
        must(map(call.array).put(call.slot, loaded_.programs.at(call.program).get()));
    }
    pod_.pod_id = 7;
    pod_.flags = FSM_POD_INBOUND | FSM_POD_INBOUND_TC;
    pod_.sidecar_uid = 1500;
    pod_.inbound_port4 = pod_.inbound_port6 = kInboundPort;
    pod_.outbound_port4 = pod_.outbound_port6 = kOutboundPort;
    pod_.ipv6 = FSM_IPV6_ALWAYS;
    write_pod();
}

Verdict ProgramRun::run(const Fd& program, const Frame& frame) {
    Verdict verdict;
    verdict.frame.resize(frame.size() + kMostGrowth);
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(),
                .data_out = verdict.frame.data(),
                .data_size_in = static_cast<std::uint32_t>(frame.size()),
                .data_size_out = static_cast<std::uint32_t>(verdict.frame.size()));
    expect_run(bpf_prog_test_run_opts(program.get(), &options), "a program of tc");
    verdict.action = static_cast<int>(options.retval);
    verdict.frame.resize(options.data_size_out);
    return verdict;
}

std::pair<int, std::uint64_t> ProgramRun::lookup(const bpf_sk_lookup& context) const {
    bpf_sk_lookup after = context;
    LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &context, .ctx_out = &after,
                .ctx_size_in = sizeof(context), .ctx_size_out = sizeof(after));
    expect_run(bpf_prog_test_run_opts(lookup_.get(), &options), "fsm_lookup");
    return {static_cast<int>(options.retval), after.cookie};
}

std::vector<fsm_flow> ProgramRun::flows() const {
    std::vector<fsm_flow> flows;
    for (const auto& [key, flow] : must(map("fsm_flows").entries<fsm_flow_key, fsm_flow>())) {
        flows.push_back(flow);
    }
    return flows;
}

void ProgramRun::forget_flows() const {
    for (const fsm_flow_key& key : must(map("fsm_flows").keys<fsm_flow_key>())) {
        must(map("fsm_flows").remove(key));
    }
}

void ProgramRun::empty_calls(const std::string& array) const {
    for (const ProgramCall& call : program_calls()) {
        if (call.array == array) {
            must(map(array).remove(call.slot));
        }
    }
}

}  // namespace fsm::test
