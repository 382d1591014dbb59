// ProgramRun: the programs of the data path without hooks, run by the kernel on packets and
// look-ups of a test (BPF_PROG_TEST_RUN), for one pod.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "bpf/abi.h"
#include "interceptor/datapath/programs.h"
#include "test/bpf/instance.h"
#include "test/bpf/packet.h"

namespace fsm::test {

// What a program has done to a packet.
struct Verdict {
    int action = 0;  // TC_ACT_…
    Frame frame;

    bool operator==(const Verdict&) const = default;
};

class ProgramRun {
  public:
    static constexpr std::uint64_t kCookie = 0x123456789abcdef0;
    static constexpr std::uint16_t kInboundPort = 15003;
    static constexpr std::uint16_t kOutboundPort = 15001;

    // With a pod whose inbound connections are intercepted, by tc.
    ProgramRun();

    // A pod's own program, by the name of the template.
    Verdict ingress(const Frame& frame) const { return run(ingress_, frame); }
    Verdict egress(const Frame& frame) const { return run(egress_, frame); }
    // SK_PASS or SK_DROP, and the cookie of the socket that was chosen, 0 for none.
    std::pair<int, std::uint64_t> lookup(const bpf_sk_lookup& context) const;

    struct fsm_pod& pod() {
        return pod_;
    }
    // Makes the changes of pod() known to the programs.
    void write_pod() const { must(map("fsm_pods").put(kCookie, pod_)); }
    void remove_pod() const { must(map("fsm_pods").remove(kCookie)); }

    const BpfMap& map(const std::string& name) const { return loaded_.maps.at(name); }
    std::uint64_t counter(fsm_counter counter) const {
        return must(map("fsm_counters").sum_over_cpus(counter));
    }
    // Every flow that is stored.
    std::vector<fsm_flow> flows() const;
    void forget_flows() const;
    // So that no program that all pods share can be called.
    void empty_calls(const std::string& array) const;

  private:
    static Verdict run(const Fd& program, const Frame& frame);

    Instance instance_;
    LoadedObject loaded_;
    struct fsm_pod pod_ {};
    Fd ingress_;
    Fd egress_;
    Fd lookup_;
};

}  // namespace fsm::test
