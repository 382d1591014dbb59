// Node-wide attachments that other programs remove are restored at once, or reported.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>

#include "bpf/abi.h"
#include "test/bpf/instance.h"
#include "test/bpf/pod_namespace.h"

namespace fsm::test {
namespace {

class Node : public testing::Test {
  protected:
    Instance instance;
    PodNamespace pod{"10.98.1.2"};
    std::unique_ptr<Datapath> datapath = instance.open();
    Fd outbound = pod.listen({"0.0.0.0", kOutbound});
    Fd inbound = pod.listen({"0.0.0.0", kInbound});

    void SetUp() override { must(datapath->enrol(pod.netns(), pod.enrolment())); }

    // An address that no machine has: the connection succeeds only if it is intercepted.
    bool intercepts() const { return pod.connect("10.98.1.77", 80) == 0; }
    std::string link(const char* program) const { return instance.root() + "/links/" + program; }
    void expect_well() const {
        EXPECT_THAT(datapath->verify_node(), testing::IsEmpty());
        EXPECT_THAT(datapath->node_conditions(), testing::IsEmpty());
        EXPECT_TRUE(intercepts());
        const auto checked = datapath->check(pod.netns(), pod.cookie());
        EXPECT_TRUE(checked) << checked.error().message();
    }
};

TEST_F(Node, IsLeftAloneWhileAllIsWell) {
    expect_well();
}

TEST_F(Node, GetsEachProgramBackThatWasDetached) {
    for (const char* program :
         {"fsm_connect4", "fsm_connect6", "fsm_peername4", "fsm_peername6", "fsm_sockname4",
          "fsm_sockname6", "fsm_getsockopt", "fsm_sockops"}) {
        shell("bpftool link detach pinned " + link(program));
        EXPECT_THAT(datapath->verify_node(),
                    testing::ElementsAre(testing::HasSubstr(std::string(program) + " (")))
            << program;
        expect_well();
    }
}

TEST_F(Node, LosesNothingWithTheFirstDetachment) {
    shell("bpftool link detach pinned " + link("fsm_connect4"));
    EXPECT_FALSE(intercepts()) << "this is what it is about";
    datapath->verify_node();
    EXPECT_TRUE(intercepts());
}

TEST_F(Node, KeepsWhatIsAttachedWhenPinsAreRemoved) {
    shell("rm -r " + instance.root() + "/links " + instance.root() + "/maps");
    EXPECT_TRUE(intercepts()) << "the descriptors hold it";
    EXPECT_THAT(datapath->verify_node(), testing::Not(testing::IsEmpty()));
    EXPECT_THAT(shell("ls " + instance.root() + "/links " + instance.root() + "/maps"),
                testing::AllOf(testing::HasSubstr("fsm_connect4"), testing::HasSubstr("fsm_pods")));
    expect_well();
}

TEST_F(Node, KeepsThePodsWhenAllPinsAreRemoved) {
    shell("rm -r " + instance.root());
    EXPECT_TRUE(intercepts());
    datapath->verify_node();
    expect_well();
}

TEST_F(Node, MountsABpffsThatWasUnmountedAndPinsAnew) {
    ASSERT_EQ(shell("umount --lazy " + instance.options.bpffs), "");
    EXPECT_TRUE(intercepts());
    EXPECT_THAT(datapath->verify_node(),
                testing::Contains(testing::HasSubstr("no bpffs is mounted")));
    expect_well();
}

TEST_F(Node, SaysWhatItCannotPutBack) {
    ASSERT_EQ(shell("umount --lazy " + instance.options.bpffs), "");
    rmdir(instance.options.bpffs.c_str());
    std::ofstream(instance.options.bpffs) << "in the way";
    datapath->verify_node();
    const auto conditions = datapath->node_conditions();
    ASSERT_FALSE(conditions.empty());
    EXPECT_THAT(conditions.front().text, testing::HasSubstr("could not be put right"));
    EXPECT_TRUE(intercepts());
    unlink(instance.options.bpffs.c_str());
    mkdir(instance.options.bpffs.c_str(), 0700);
    datapath->verify_node();
    expect_well();
}

TEST_F(Node, ReplacesAProgramThatWasPutIntoItsLink) {
    const BpfMap pods = instance.pinned("fsm_pods");
    const std::string id = shell("bpftool link show pinned " + link("fsm_connect4"));
    // A program of the same type that lets everything pass.
    const bpf_insn pass[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1},
                             {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
    const Fd program(
        bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "stranger", "GPL", pass, 2, &options));
    ASSERT_TRUE(program);
    const Fd held(bpf_obj_get(link("fsm_connect4").c_str()));
    ASSERT_EQ(bpf_link_update(held.get(), program.get(), nullptr), 0);
    EXPECT_FALSE(intercepts());
    EXPECT_THAT(datapath->verify_node(),
                testing::ElementsAre(testing::HasSubstr("held another program")));
    expect_well();
}

// An exclusive program in the place of ours: ours cannot be restored, and the error names the
// obstacle until it is removed.
TEST_F(Node, SaysThatAnExclusiveProgramHasItsPlace) {
    const bpf_insn pass[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1},
                             {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
    const Fd program(
        bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "stranger", "GPL", pass, 2, &options));
    ASSERT_TRUE(program);
    const Fd cgroup(open(instance.options.cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    shell("bpftool link detach pinned " + link("fsm_connect4"));
    ASSERT_EQ(bpf_prog_attach(program.get(), cgroup.get(), BPF_CGROUP_INET4_CONNECT, 0), 0);
    EXPECT_THAT(datapath->verify_node(), testing::IsEmpty());
    const auto conditions = datapath->node_conditions();
    ASSERT_EQ(conditions.size(), 1U);
    EXPECT_THAT(conditions[0].text, testing::AllOf(testing::HasSubstr("fsm_connect4"),
                                                   testing::HasSubstr("another program")));
    ASSERT_EQ(bpf_prog_detach2(program.get(), cgroup.get(), BPF_CGROUP_INET4_CONNECT), 0);
    EXPECT_EQ(datapath->verify_node().size(), 1U);
    expect_well();
}

TEST_F(Node, FollowsACgroupThatWasReplaced) {
    const std::string path = instance.options.cgroup;
    const std::string root = path.substr(0, path.rfind('/'));
    join_cgroup(root);
    ASSERT_EQ(rmdir(path.c_str()), 0);
    ASSERT_EQ(mkdir(path.c_str(), 0755), 0);
    join_cgroup(path);
    EXPECT_FALSE(intercepts());
    EXPECT_THAT(datapath->verify_node(),
                testing::Contains(testing::HasSubstr("was replaced by another one")));
    expect_well();
}

TEST_F(Node, FillsTheArraysOfProgramsAgain) {
    const PodNamespace client("10.98.9.9");
    connect_namespaces(client, pod);
    EXPECT_EQ(client.connect("10.99.0.2", 8080), 0);
    must(instance.pinned("fsm_lookup_calls").remove(std::uint32_t{FSM_CALL_LOOKUP}));
    EXPECT_EQ(client.connect("10.99.0.2", 8080), ECONNREFUSED) << "and never to the application";
    EXPECT_THAT(datapath->verify_node(), testing::ElementsAre(testing::HasSubstr("fsm_steer")));
    EXPECT_EQ(client.connect("10.99.0.2", 8080), 0);
    expect_well();
}

TEST_F(Node, AttachesTheProgramOfTheSocketMapAgain) {
    const BpfMap sockets = instance.pinned("fsm_sockets");
    for (const DatapathProgram& one : must(datapath->programs())) {
        if (one.name == "fsm_msg") {
            const Fd program(bpf_prog_get_fd_by_id(one.id));
            ASSERT_EQ(bpf_prog_detach2(program.get(), sockets.fd(), BPF_SK_MSG_VERDICT), 0);
        }
    }
    EXPECT_THAT(datapath->verify_node(), testing::ElementsAre(testing::HasSubstr("fsm_msg")));
    expect_well();
}

}  // namespace
}  // namespace fsm::test
