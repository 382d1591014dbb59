// A process ends and another one takes over: same maps, same links, new programs, and no gap.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <utility>

#include "bpf/abi.h"
#include "test/bpf/instance.h"
#include "test/bpf/pod_namespace.h"

namespace fsm::test {
namespace {

class Adoption : public testing::Test {
  protected:
    Instance instance;
    PodNamespace pod{"10.98.1.2"};
    Fd outbound = pod.listen({"0.0.0.0", kOutbound});
    Fd inbound = pod.listen({"0.0.0.0", kInbound});

    PodEnrolment enrolment(InboundMechanism mechanism = InboundMechanism::sk_lookup) const {
        PodEnrolment wanted = pod.enrolment();
        wanted.policy.inbound_mechanism = mechanism;
        wanted.policy.outbound.excluded_ports = {22};
        wanted.policy.inbound.excluded_ranges = {must(Cidr::parse("10.1.0.0/16"))};
        return wanted;
    }

    // Opens and enrols in a process that is killed without a clean-up.
    void leave_behind(const PodEnrolment& wanted) const {
        const pid_t child = fork();
        if (child == 0) {
            const auto datapath = open_kernel_datapath(instance.options);
            const bool done = datapath && (*datapath)->enrol(pod.netns(), wanted);
            kill(getpid(), done ? SIGKILL : SIGABRT);
        }
        int status = 0;
        waitpid(child, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }

    std::map<std::string, std::uint32_t> map_ids(const Datapath& datapath) const {
        std::map<std::string, std::uint32_t> ids;
        for (const DatapathMap& map : must(datapath.maps())) {
            ids[map.name] = map.id;
        }
        return ids;
    }

    std::uint32_t pinned_id(const std::string& map) const { return instance.pinned(map).id(); }

    void expect_everything_there(Datapath& datapath) const {
        ASSERT_EQ(must(datapath.pods()).size(), 1U);
        EXPECT_EQ(must(datapath.pods())[0].addresses[0].to_string(), "10.98.1.2");
        EXPECT_EQ(must(instance.pinned("fsm_ports").count()), 1U);
        EXPECT_EQ(must(instance.pinned("fsm_ranges").count()), 1U);
        EXPECT_EQ(must(instance.pinned("fsm_listeners").count()), 2U);
        const auto checked = datapath.check(pod.netns(), pod.cookie());
        EXPECT_TRUE(checked) << checked.error().message();
        for (const DatapathProgram& program : must(datapath.programs())) {
            if (program.hook.starts_with("cgroup") || program.hook == "sockops") {
                EXPECT_TRUE(program.attached) << program.name;
            }
        }
    }

    // An address that no machine has: the connection succeeds only if it is intercepted.
    bool intercepts() const { return pod.connect("10.98.1.77", 80) == 0; }
};

TEST_F(Adoption, GoesOnWithoutAProcessAndIsTakenOver) {
    leave_behind(enrolment());
    EXPECT_TRUE(intercepts());
    const std::uint32_t pods = pinned_id("fsm_pods");
    const std::string links = shell("bpftool link show pinned " + instance.root() +
                                    "/links/fsm_connect4 | cut -d: -f1 | head -1");
    const auto datapath = instance.open();
    EXPECT_EQ(map_ids(*datapath)["fsm_pods"], pods);
    EXPECT_EQ(shell("bpftool link show pinned " + instance.root() +
                    "/links/fsm_connect4 | cut -d: -f1 | head -1"),
              links);
    expect_everything_there(*datapath);
    EXPECT_TRUE(intercepts());
}

TEST_F(Adoption, ReplacesTheFiltersOfTcPods) {
    leave_behind(enrolment(InboundMechanism::tc));
    const std::string before = pod.shell("tc filter show dev eth0 ingress");
    EXPECT_THAT(before, testing::HasSubstr("fsm_ingress"));
    const auto datapath = instance.open();
    const std::string after = pod.shell("tc filter show dev eth0 ingress");
    EXPECT_THAT(after, testing::HasSubstr("fsm_ingress"));
    EXPECT_NE(after, before) << "the program is this process's";
    expect_everything_there(*datapath);
    must(datapath->withdraw(pod.cookie(), &pod.netns()));
    EXPECT_EQ(pod.shell("tc qdisc show dev eth0 | grep clsact"), "");
}

TEST_F(Adoption, MigratesAnotherLayout) {
    leave_behind(enrolment());
    const std::uint32_t pods = pinned_id("fsm_pods");
    const BpfMap settings = instance.pinned("fsm_settings");
    must(settings.put(std::uint32_t{0}, fsm_settings{FSM_ABI_LAYOUT + 1000, 1, 0}));
    const auto datapath = instance.open();
    EXPECT_NE(map_ids(*datapath)["fsm_pods"], pods);
    EXPECT_EQ(pinned_id("fsm_pods"), map_ids(*datapath)["fsm_pods"]);
    EXPECT_EQ(must(instance.pinned("fsm_settings").lookup<std::uint32_t, fsm_settings>(0U))->layout,
              static_cast<std::uint32_t>(FSM_ABI_LAYOUT));
    EXPECT_TRUE(intercepts());
    EXPECT_EQ(shell("ls " + instance.root()), "links\nmaps\npods\n");
    // Addresses had another meaning in an earlier layout: the enrolment adds them again.
    must(datapath->enrol(pod.netns(), enrolment()));
    must(datapath->sweep());
    expect_everything_there(*datapath);
    EXPECT_TRUE(intercepts());
}

// The key of layout 2. If a pod's list were lost, none of its ports would be included, or all.
TEST_F(Adoption, MakesRangesOfTheSinglePortsOfAnEarlierLayout) {
    struct OldKey {
        std::uint32_t pod_id;
        std::uint16_t port;
        std::uint8_t list;
        std::uint8_t pad;
    };
    leave_behind(enrolment());
    const auto pods = must(instance.pinned("fsm_pods").keys<std::uint64_t>());
    const auto entry =
        must(instance.pinned("fsm_pods").lookup<std::uint64_t, struct fsm_pod>(pods.front()));
    const std::string path = instance.root() + "/maps/fsm_ports";
    shell("rm " + path);
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
    const Fd old(bpf_map_create(BPF_MAP_TYPE_HASH, "fsm_ports", sizeof(OldKey), 1, 1000, &options));
    ASSERT_TRUE(old);
    for (std::uint16_t port = 8000; port < 8080; ++port) {
        const OldKey key{entry->pod_id, port, FSM_OUT_INCLUDE, 0};
        const std::uint8_t listed = 1;
        ASSERT_EQ(bpf_map_update_elem(old.get(), &key, &listed, BPF_ANY), 0);
    }
    ASSERT_EQ(bpf_obj_pin(old.get(), path.c_str()), 0);
    must(instance.pinned("fsm_settings").put(std::uint32_t{0}, fsm_settings{2, 1, 0}));

    const auto datapath = instance.open();

    const BpfMap ports = instance.pinned("fsm_ports");
    EXPECT_LT(must(ports.count()), 10U);
    for (std::uint16_t port = 7990; port < 8090; ++port) {
        fsm_port_key key{};
        key.prefixlen = FSM_PORT_FIXED_BITS + 16;
        key.pod_id = entry->pod_id;
        key.list = FSM_OUT_INCLUDE;
        key.port_be = htons(port);
        EXPECT_EQ(must(ports.lookup<fsm_port_key, std::uint8_t>(key)).has_value(),
                  port >= 8000 && port < 8080)
            << port;
    }
}

TEST_F(Adoption, MigratesMapsWhoseSizeIsConfiguredAnew) {
    leave_behind(enrolment());
    const std::uint32_t pods = pinned_id("fsm_pods");
    const std::uint32_t ports = pinned_id("fsm_ports");
    instance.options.max_pods *= 2;
    const auto datapath = instance.open();
    EXPECT_NE(pinned_id("fsm_pods"), pods);
    EXPECT_EQ(pinned_id("fsm_ports"), ports);
    EXPECT_EQ(instance.pinned("fsm_pods").shape().max_entries, instance.options.max_pods);
    expect_everything_there(*datapath);
}

TEST_F(Adoption, FinishesAReplacementThatWasInterrupted) {
    leave_behind(enrolment());
    shell("mv " + instance.root() + "/maps " + instance.root() + "/maps_next; mkdir " +
          instance.root() + "/maps_new");
    const auto datapath = instance.open();
    expect_everything_there(*datapath);
    EXPECT_EQ(shell("ls " + instance.root()), "links\nmaps\npods\n");
}

TEST_F(Adoption, DropsPoliciesThatNoPodHas) {
    leave_behind(enrolment());
    fsm_port_key orphan{};
    orphan.prefixlen = FSM_PORT_FIXED_BITS + 16;
    orphan.pod_id = 4711;
    orphan.port_be = 1;
    must(instance.pinned("fsm_ports").put(orphan, std::uint8_t{1}));
    const auto datapath = instance.open();
    EXPECT_EQ(must(instance.pinned("fsm_ports").count()), 1U);
}

TEST_F(Adoption, LetsOneProcessAtATimeIn) {
    const auto datapath = instance.open();
    const auto second = open_kernel_datapath(instance.options);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().errno_value(), EBUSY);
    const auto removed = uninstall_kernel_datapath(instance.options);
    ASSERT_FALSE(removed);
    EXPECT_THAT(removed.error().message(), testing::HasSubstr("stop it first"));
}

TEST_F(Adoption, LivesBesideAnotherInstance) {
    Instance other;  // the test process is now in this instance's cgroup
    const auto datapath = instance.open();
    const auto beside = other.open();
    must(datapath->enrol(pod.netns(), pod.enrolment()));
    EXPECT_TRUE(must(beside->pods()).empty());
    const PodNamespace second("10.98.2.2");
    must(beside->enrol(second.netns(), second.enrolment()));
    must(datapath->check(pod.netns(), pod.cookie()));
    must(beside->check(second.netns(), second.cookie()));
}

TEST_F(Adoption, RefusesWhatIsNoCgroup) {
    const std::string cgroup = std::exchange(instance.options.cgroup, "/tmp");
    const auto datapath = open_kernel_datapath(instance.options);
    ASSERT_FALSE(datapath);
    EXPECT_THAT(datapath.error().message(), testing::HasSubstr("not in a cgroup2"));
    EXPECT_FALSE(std::filesystem::exists(instance.root()));
    instance.options.cgroup = cgroup;
}

}  // namespace
}  // namespace fsm::test
