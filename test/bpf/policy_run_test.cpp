// The policy's functions, on every combination of lists and of what is in them.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "bpf/fsm_policy_run.skel.h"
#include "interceptor/datapath/policy.h"
#include "test/bpf/instance.h"
#include "test/bpf/packet.h"
#include "test/bpf/policy_run.h"

namespace fsm::test {
namespace {

constexpr std::uint32_t kPodId = 7;
constexpr std::uint64_t kCookie = 42;

// The ports and addresses of the tests: in no list, in one, in both.
constexpr std::uint16_t kFree = 1;
constexpr std::uint16_t kExcluded = 2;
constexpr std::uint16_t kIncluded = 3;
constexpr std::uint16_t kBoth = 4;
constexpr std::array kPlaces{kFree, kExcluded, kIncluded, kBoth};

bool is_excluded(std::uint16_t place) {
    return place == kExcluded || place == kBoth;
}
bool is_included(std::uint16_t place) {
    return place == kIncluded || place == kBoth;
}

std::string address_text(Family family, std::uint16_t place) {
    return (family == Family::v4 ? "10.0.0." : "fd00::") + std::to_string(place);
}

fsm_address address_at(const std::string& text) {
    fsm_address address{};
    if (text.find(':') != std::string::npos) {
        inet_pton(AF_INET6, text.c_str(), address.bytes);
    } else {
        address.bytes[10] = address.bytes[11] = 0xff;
        inet_pton(AF_INET, text.c_str(), address.bytes + 12);
    }
    return address;
}

void close_object(fsm_policy_run* object) {
    fsm_policy_run__destroy(object);
}

class PolicyRun : public testing::TestWithParam<Family> {
  protected:
    PolicyRun() {
        bpf_map* map = nullptr;
        bpf_object__for_each_map(map, object->obj) {
            const std::string name = bpf_map__name(map);
            bpf_map__set_autocreate(
                map, name == "fsm_ports" || name == "fsm_ranges" || name == "fsm_observed");
        }
        if (fsm_policy_run__load(object.get()) != 0) {
            throw std::runtime_error(std::string("policy_run is not loaded: ") +
                                     std::strerror(errno));
        }
    }

    // Lists with `kExcluded`, `kIncluded` and `kBoth` in both directions.
    void write_lists(Family family) const {
        InterceptionPolicy policy;
        const auto range = [&](std::uint16_t place) {
            return must(
                Cidr::parse(address_text(family, place) + (family == Family::v4 ? "/32" : "/128")));
        };
        policy.outbound.excluded_ports = policy.inbound.excluded_ports = {kExcluded, kBoth};
        policy.outbound.included_ports = policy.inbound.included_ports = {kIncluded, kBoth};
        policy.outbound.excluded_ranges =
            policy.inbound.excluded_ranges = {range(kExcluded), range(kBoth)};
        policy.outbound.included_ranges =
            policy.inbound.included_ranges = {range(kIncluded), range(kBoth)};
        const PolicyEntries entries = policy_entries(kPodId, policy);
        const BpfMap ports = map_of(object->maps.fsm_ports);
        const BpfMap ranges = map_of(object->maps.fsm_ranges);
        must(write_policy(must(PortsMap::of(ports)), must(RangesMap::of(ranges)), entries));
    }

    static BpfMap map_of(const bpf_map* map) {
        return must(BpfMap::adopt(Fd(dup(bpf_map__fd(map)))));
    }

    fsm_policy_question ask(std::uint32_t flags, const std::string& local,
                            const std::string& remote, std::uint16_t port,
                            fsm_ipv6_mode ipv6 = FSM_IPV6_ALWAYS) const {
        fsm_policy_question run{};
        run.pod.pod_id = kPodId;
        run.pod.flags = flags;
        run.pod.ipv6 = ipv6;
        run.pod.listeners = listeners;
        run.netns_cookie = kCookie;
        run.local = address_at(local);
        run.remote = address_at(remote);
        run.port = port;
        LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &run, .data_out = &run,
                    .data_size_in = sizeof(run), .data_size_out = sizeof(run));
        if (bpf_prog_test_run_opts(bpf_program__fd(object->progs.policy_run), &options) != 0 ||
            options.retval != TC_ACT_OK) {
            throw std::runtime_error(std::string("policy_run: ") + std::strerror(errno));
        }
        return run;
    }

    const std::unique_ptr<fsm_policy_run, void (*)(fsm_policy_run*)> object{fsm_policy_run__open(),
                                                                            close_object};
    std::uint32_t listeners = 0;
};

// As the meshes' documentation has it: what is excluded is never intercepted; where something is
// included, only that is.
bool wanted_by(bool excludes, bool includes, std::uint16_t place) {
    return !(excludes && is_excluded(place)) && (!includes || is_included(place));
}

bool wanted_outbound(std::uint32_t flags, std::uint16_t port, std::uint16_t address) {
    const bool by_port = (flags & FSM_POD_OUT_INCLUDE_PORTS) == 0 || is_included(port);
    const bool by_range = (flags & FSM_POD_OUT_INCLUDE_RANGES) == 0 || is_included(address);
    const bool either = (flags & FSM_POD_OUT_INCLUDE_ANY) != 0 &&
                        (flags & FSM_POD_OUT_INCLUDE_PORTS) != 0 &&
                        (flags & FSM_POD_OUT_INCLUDE_RANGES) != 0;
    return wanted_by((flags & FSM_POD_OUT_EXCLUDE_PORTS) != 0, false, port) &&
           wanted_by((flags & FSM_POD_OUT_EXCLUDE_RANGES) != 0, false, address) &&
           (either ? by_port || by_range : by_port && by_range);
}

TEST_P(PolicyRun, OutboundByEveryCombinationOfLists) {
    write_lists(GetParam());
    constexpr std::uint32_t kStep = FSM_POD_OUT_EXCLUDE_PORTS;
    for (std::uint32_t lists = 0; lists < 16; ++lists) {
        for (const std::uint32_t any : {0, +FSM_POD_OUT_INCLUDE_ANY}) {
            for (const std::uint16_t port : kPlaces) {
                for (const std::uint16_t place : kPlaces) {
                    const std::uint32_t flags = lists * kStep | any;
                    const auto answer =
                        ask(flags, address_text(GetParam(), place), "10.9.9.9", port);
                    EXPECT_EQ(answer.outbound_listed != 0, wanted_outbound(flags, port, place))
                        << "flags " << flags << " port " << port << " address " << place;
                }
            }
        }
    }
}

TEST_P(PolicyRun, InboundByEveryCombinationOfLists) {
    write_lists(GetParam());
    const std::string local = GetParam() == Family::v4 ? "10.1.0.12" : "fd00:1::c";
    for (std::uint32_t lists = 0; lists < 16; ++lists) {
        const std::uint32_t flags = lists * FSM_POD_IN_EXCLUDE_PORTS;
        for (const std::uint16_t port : kPlaces) {
            for (const std::uint16_t place : kPlaces) {
                const std::string remote = address_text(GetParam(), place);
                const bool wanted = wanted_by((flags & FSM_POD_IN_EXCLUDE_PORTS) != 0,
                                              (flags & FSM_POD_IN_INCLUDE_PORTS) != 0, port) &&
                                    wanted_by((flags & FSM_POD_IN_EXCLUDE_RANGES) != 0,
                                              (flags & FSM_POD_IN_INCLUDE_RANGES) != 0, place);
                const auto answer = ask(flags | FSM_POD_INBOUND, local, remote, port);
                EXPECT_EQ(answer.inbound_wanted != 0, wanted)
                    << "flags " << flags << " port " << port << " source " << place;
                EXPECT_EQ(answer.inbound_intercepted, answer.inbound_wanted);
                EXPECT_EQ(ask(flags, local, remote, port).inbound_wanted, 0);
            }
        }
    }
}

TEST_P(PolicyRun, AListOfTheOtherFamilyOrOfAnotherPodSaysNothing) {
    write_lists(GetParam() == Family::v4 ? Family::v6 : Family::v4);
    const std::uint32_t flags = FSM_POD_OUT_EXCLUDE_RANGES | FSM_POD_OUT_EXCLUDE_PORTS;
    const std::string address = address_text(GetParam(), kExcluded);
    EXPECT_NE(ask(flags, address, "10.9.9.9", kFree).outbound_listed, 0);
    EXPECT_EQ(ask(flags, address, "10.9.9.9", kExcluded).outbound_listed, 0);
}

TEST_P(PolicyRun, ThePodItselfIsInboundOnlyWhereMoreThanAddressesTells) {
    const bool is_v4 = GetParam() == Family::v4;
    const std::string loopback = is_v4 ? "127.0.0.1" : "::1";
    const std::string pod = is_v4 ? "10.1.0.12" : "fd00:1::c";
    const std::string client = is_v4 ? "10.1.0.11" : "fd00:1::b";
    using Pair = std::pair<std::string, std::string>;
    for (const auto& [local, remote] :
         {Pair{pod, pod}, Pair{loopback, client}, Pair{pod, loopback}, Pair{loopback, loopback}}) {
        const auto answer = ask(FSM_POD_INBOUND, local, remote, 80);
        EXPECT_NE(answer.inbound_wanted, 0) << local << " from " << remote;
        EXPECT_EQ(answer.inbound_intercepted, 0) << local << " from " << remote;
    }
    EXPECT_NE(ask(FSM_POD_INBOUND, pod, client, 80).inbound_intercepted, 0);
}

TEST_P(PolicyRun, Ipv6ByItsModeAndIpv4Always) {
    const bool is_v4 = GetParam() == Family::v4;
    const std::string pod = is_v4 ? "10.1.0.12" : "fd00:1::c";
    const std::string client = is_v4 ? "10.1.0.11" : "fd00:1::b";
    const auto is_wanted = [&](fsm_ipv6_mode mode) {
        return ask(FSM_POD_INBOUND, pod, client, 80, mode).inbound_wanted != 0;
    };
    EXPECT_TRUE(is_wanted(FSM_IPV6_ALWAYS));
    EXPECT_EQ(is_wanted(FSM_IPV6_NEVER), is_v4);
    EXPECT_EQ(is_wanted(FSM_IPV6_WHEN_LISTENING), is_v4);
    listeners = FSM_SEEN_OUT6;
    EXPECT_EQ(is_wanted(FSM_IPV6_WHEN_LISTENING), is_v4);
    listeners = FSM_SEEN_IN6;
    EXPECT_TRUE(is_wanted(FSM_IPV6_WHEN_LISTENING));
    EXPECT_EQ(is_wanted(FSM_IPV6_NEVER), is_v4);
    listeners = 0;
    const fsm_observed observed{FSM_SEEN_IN6, 0};
    must(map_of(object->maps.fsm_observed).put(kCookie, observed));
    EXPECT_TRUE(is_wanted(FSM_IPV6_WHEN_LISTENING));
}

INSTANTIATE_TEST_SUITE_P(Families, PolicyRun, testing::Values(Family::v4, Family::v6),
                         [](const auto& name) { return name.param == Family::v4 ? "v4" : "v6"; });

}  // namespace
}  // namespace fsm::test
