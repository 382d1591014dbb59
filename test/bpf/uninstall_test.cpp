// Uninstall removes everything, with living pods and without a running process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "test/bpf/instance.h"
#include "test/bpf/pod_namespace.h"

namespace fsm::test {
namespace {

class Uninstall : public testing::Test {
  protected:
    Instance instance;
    PodNamespace by_lookup{"10.98.1.2"};
    PodNamespace by_tc{"10.98.1.3"};

    std::vector<DatapathProgram> enrol_both() const {
        const auto datapath = instance.open();
        PodEnrolment enrolment = by_tc.enrolment();
        enrolment.policy.inbound_mechanism = InboundMechanism::tc;
        must(datapath->enrol(by_tc.netns(), enrolment));
        enrolment = by_lookup.enrolment();
        enrolment.policy.inbound_mechanism = InboundMechanism::sk_lookup;
        must(datapath->enrol(by_lookup.netns(), enrolment));
        return must(datapath->programs());
    }
};

TEST_F(Uninstall, LeavesNothing) {
    const auto programs = enrol_both();
    EXPECT_THAT(shell("bpftool cgroup show " + instance.options.cgroup),
                testing::HasSubstr("fsm_connect4"));
    must(uninstall_kernel_datapath(instance.options));
    EXPECT_THAT(shell("bpftool cgroup show " + instance.options.cgroup),
                testing::Not(testing::HasSubstr("fsm_")));
    EXPECT_EQ(by_tc.shell("tc filter show dev eth0 ingress; tc filter show dev eth0 egress"), "");
    EXPECT_EQ(by_tc.shell("tc qdisc show dev eth0 | grep clsact"), "");
    EXPECT_TRUE(std::filesystem::is_empty(instance.options.bpffs)) << "unmounted";
    EXPECT_FALSE(std::filesystem::exists(instance.options.run_directory));
    shell("sleep 0.3");  // the kernel frees programs after a grace period
    for (const DatapathProgram& program : programs) {
        EXPECT_THAT(shell("bpftool prog show id " + std::to_string(program.id)),
                    testing::HasSubstr("No such file"))
            << program.name;
    }
}

TEST_F(Uninstall, FindsFiltersWithoutPins) {
    enrol_both();
    std::filesystem::remove_all(instance.root() + "/pods");
    must(uninstall_kernel_datapath(instance.options));
    EXPECT_EQ(by_tc.shell("tc filter show dev eth0 ingress; tc filter show dev eth0 egress"), "");
}

TEST_F(Uninstall, CanBeRepeated) {
    enrol_both();
    must(uninstall_kernel_datapath(instance.options));
    must(uninstall_kernel_datapath(instance.options));
}

TEST_F(Uninstall, LeavesABpffsThatOthersUse) {
    enrol_both();
    std::filesystem::create_directory(instance.options.bpffs + "/others");
    must(uninstall_kernel_datapath(instance.options));
    EXPECT_TRUE(std::filesystem::exists(instance.options.bpffs + "/others"));
    shell("umount " + instance.options.bpffs);
}

}  // namespace
}  // namespace fsm::test
