#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "common/file.h"
#include "interceptor/sync/reconciler.h"
#include "test/unit/sync/enroller_fixture.h"

namespace fsm::testing {

namespace {

class Lifecycle : public EnrollerTest {
  protected:
    void create(const std::string& pod, const TestNetns& netns, const std::string& container = "c1",
                const std::string& ifname = "eth0") {
        EXPECT_OK(enroller->create(request_for(pod, netns.path(), container, ifname)));
    }
    CniOutcome remove(const std::string& container = "c1", const std::string& ifname = "eth0",
                      const std::string& netns = "") {
        return enroller->remove({{container, ifname}, netns, "", ""});
    }
    void write_note(const std::string& name, const std::string& content) {
        std::ofstream(directory.path() + "/deleted/" + name) << content;
    }
};

int open_descriptors() {
    int count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator("/proc/self/fd")) {
        ++count;
    }
    return count;
}

TEST_F(Lifecycle, RemoveNeedsNeitherNamespaceNorPod) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    create("web", netns);
    source.erase({"default", "web"});
    EXPECT_OK(remove());
    EXPECT_EQ(datapath.size(), 0U);
    EXPECT_TRUE(datapath.withdrawn_with_netns());
    EXPECT_FALSE(file_exists(attachment_file()));
    EXPECT_OK(remove());
}

TEST_F(Lifecycle, RemoveOfAnUnknownAttachmentWithdrawsItsNamespace) {
    const TestNetns netns;
    PodEnrolment lost;
    lost.netns_cookie = netns.cookie();
    datapath.plant(lost);
    EXPECT_OK(remove("stranger", "eth0", netns.path()));
    EXPECT_FALSE(datapath.enrolled(netns.cookie()));
    EXPECT_OK(remove("stranger", "eth0", "/run/netns/gone"));
    EXPECT_OK(remove("stranger", "eth0", "/etc/passwd"));
}

TEST_F(Lifecycle, RemoveOfAStrangerDoesNotTouchSomebodyElsesNamespace) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    create("web", netns);
    EXPECT_OK(remove("stranger", "eth0", netns.path()));
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
}

TEST_F(Lifecycle, TwoInterfacesOfAContainerShareOneEnrolment) {
    const TestNetns netns({"addr add 10.77.0.5/24 dev eth0", "link add net1 type bridge",
                           "link set net1 up", "addr add 192.0.2.9/24 dev net1"});
    source.put(mesh_pod("web"));
    create("web", netns, "c1", "eth0");
    create("web", netns, "c1", "net1");
    EXPECT_EQ(datapath.size(), 1U);
    EXPECT_OK(remove("c1", "net1"));
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    netns.run("link del net1");
    enroller->reconcile(ReconcileDepth::settings);
    EXPECT_EQ(datapath.enrolment(netns.cookie()).addresses.size(), 1U);
    EXPECT_OK(remove("c1", "eth0"));
    EXPECT_FALSE(datapath.enrolled(netns.cookie()));
}

TEST_F(Lifecycle, ALostNamespaceIsWithdrawn) {
    TestNetns netns;
    source.put(mesh_pod("web"));
    create("web", netns);
    netns.lose();
    enroller->reconcile(ReconcileDepth::settings);
    EXPECT_EQ(datapath.size(), 0U);
    EXPECT_FALSE(datapath.withdrawn_with_netns());
    EXPECT_FALSE(file_exists(attachment_file()));
    EXPECT_GE(datapath.sweeps, 1);
}

TEST_F(Lifecycle, APathThatLeadsToAnotherNamespaceIsALostOne) {
    TestNetns netns;
    source.put(mesh_pod("web"));
    create("web", netns);
    netns.lose();
    std::ofstream(netns.path()) << "something else";
    enroller->reconcile(ReconcileDepth::settings);
    EXPECT_EQ(datapath.size(), 0U);
}

TEST_F(Lifecycle, ChangedAnnotationsApply) {
    const TestNetns netns;
    auto pod = mesh_pod("web");
    source.put(pod);
    create("web", netns);
    pod.annotations["flomesh.io/outbound-port-exclusion-list"] = "5432";
    source.put(pod);
    enroller->reconcile_pod(pod.name);
    EXPECT_TRUE(datapath.enrolment(netns.cookie()).policy.outbound.excluded_ports.contains(5432));
    const int calls = datapath.enrol_calls();
    enroller->reconcile(ReconcileDepth::settings);
    enroller->reconcile(ReconcileDepth::everything);
    EXPECT_EQ(datapath.enrol_calls(), calls) << "nothing changed";
}

TEST_F(Lifecycle, APodThatLeavesTheMeshIsWithdrawnAndMayComeBack) {
    const TestNetns netns;
    auto pod = mesh_pod("web");
    source.put(pod);
    create("web", netns);
    pod.annotations["flomesh.io/sidecar-injection"] = "disabled";
    source.put(pod);
    enroller->reconcile_pod(pod.name);
    EXPECT_FALSE(datapath.enrolled(netns.cookie()));
    EXPECT_EQ(only_attachment().membership, Membership::not_in_mesh);
    pod.annotations.clear();
    source.put(pod);
    enroller->reconcile_pod(pod.name);
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
}

TEST_F(Lifecycle, AnUnknownPodIsEnrolledWhenItBecomesKnown) {
    const TestNetns netns;
    create("web", netns);
    EXPECT_FALSE(datapath.enrolled(netns.cookie()));
    source.put(mesh_pod("web"));
    enroller->reconcile_pod({"default", "web"});
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
}

TEST_F(Lifecycle, WhatSomebodyTookAwayIsPutBack) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    create("web", netns);
    ASSERT_TRUE(datapath.withdraw(netns.cookie(), nullptr));
    EXPECT_CNI_ERROR(enroller->check(request_for("web", netns.path())), not_enrolled, "pods map");
    enroller->reconcile(ReconcileDepth::everything);
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    EXPECT_OK(enroller->check(request_for("web", netns.path())));
}

TEST_F(Lifecycle, APodIsEnrolledAgainWhenItsSidecarAsksForIt) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    create("web", netns);
    enroller->check_node();
    EXPECT_EQ(datapath.enrol_calls(), 1);
    datapath.asked_again = {netns.cookie()};
    datapath.check_failure = "the sidecar listens by MPTCP";
    enroller->check_node();
    EXPECT_EQ(datapath.enrol_calls(), 2);
}

// A fallback from the first choice of "auto" is reconsidered while the pod lives.
TEST_F(Lifecycle, ASecondChoiceIsTriedAgain) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    datapath.inbound = InboundMechanism::tc;
    datapath.inbound_reason = "the sidecar listens by MPTCP";
    create("web", netns);
    EXPECT_EQ(only_attachment().enrolled->inbound_reason, "the sidecar listens by MPTCP");
    enroller->reconcile(ReconcileDepth::settings);
    EXPECT_EQ(datapath.enrol_calls(), 1);
    datapath.inbound = InboundMechanism::sk_lookup;
    datapath.inbound_reason.clear();
    enroller->reconcile(ReconcileDepth::everything);
    EXPECT_EQ(datapath.enrol_calls(), 2);
    EXPECT_EQ(only_attachment().enrolled->inbound, InboundMechanism::sk_lookup);
    enroller->reconcile(ReconcileDepth::everything);
    EXPECT_EQ(datapath.enrol_calls(), 2);
}

TEST_F(Lifecycle, AnAddressThatComesLaterIsEnrolled) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    create("web", netns);
    netns.run("addr add fd77::5/64 dev eth0 nodad");
    enroller->reconcile(ReconcileDepth::everything);
    EXPECT_EQ(datapath.enrolment(netns.cookie()).addresses.size(), 2U);
}

TEST_F(Lifecycle, CheckOfAnAttachmentThatWasMadeWithoutUs) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    source.put(plain_pod("plain"));
    EXPECT_CNI_ERROR(enroller->check(request_for("web", netns.path())), not_enrolled,
                     "found and enrolled");
    EXPECT_OK(enroller->check(request_for("plain", netns.path())));
    EXPECT_OK(enroller->check(request_for("nobody", netns.path())));
}

TEST_F(Lifecycle, GarbageCollection) {
    const TestNetns first;
    const TestNetns second;
    const TestNetns other_network;
    for (const char* name : {"a", "b", "c"}) {
        source.put(mesh_pod(name));
    }
    create("a", first, "c1");
    create("b", second, "c2");
    auto elsewhere = request_for("c", other_network.path(), "c3");
    elsewhere.stdin_data = R"({"name":"other"})";
    EXPECT_OK(enroller->create(elsewhere));

    EXPECT_OK(enroller->collect_garbage(R"({"name":"net"})"));
    EXPECT_OK(enroller->collect_garbage(R"({"name":"net","cni.dev/valid-attachments":null})"));
    EXPECT_EQ(datapath.size(), 3U);
    EXPECT_CNI_ERROR(
        enroller->collect_garbage(R"({"name":"net","cni.dev/valid-attachments":[{"ifname":"a"}]})"),
        invalid_config, "nothing is collected");
    EXPECT_CNI_ERROR(enroller->collect_garbage(R"({"cni.dev/valid-attachments":[]})"),
                     invalid_config, "name");
    EXPECT_EQ(datapath.size(), 3U);
    EXPECT_OK(enroller->collect_garbage(
        R"({"name":"net","cni.dev/valid-attachments":[{"containerID":"c2","ifname":"eth0"}]})"));
    EXPECT_FALSE(datapath.enrolled(first.cookie()));
    EXPECT_TRUE(datapath.enrolled(second.cookie()));
    EXPECT_OK(enroller->collect_garbage(R"({"name":"net","cni.dev/valid-attachments":[]})"));
    EXPECT_FALSE(datapath.enrolled(second.cookie()));
    EXPECT_TRUE(datapath.enrolled(other_network.cookie())) << "another network's";
}

TEST_F(Lifecycle, GarbageCollectionKnowsTheFormerKey) {
    const TestNetns first;
    const TestNetns second;
    source.put(mesh_pod("a"));
    source.put(mesh_pod("b"));
    create("a", first, "c1");
    create("b", second, "c2");
    EXPECT_OK(enroller->collect_garbage(R"({"name":"net","cni.dev/attachments":null})"));
    EXPECT_EQ(datapath.size(), 2U);
    EXPECT_OK(enroller->collect_garbage(
        R"({"name":"net","cni.dev/attachments":[{"containerID":"c2","ifname":"eth0"}]})"));
    EXPECT_FALSE(datapath.enrolled(first.cookie()));
    EXPECT_TRUE(datapath.enrolled(second.cookie()));
    // If both are given, the current one counts.
    EXPECT_OK(enroller->collect_garbage(
        R"({"name":"net","cni.dev/attachments":[{"containerID":"c2","ifname":"eth0"}],
            "cni.dev/valid-attachments":[]})"));
    EXPECT_FALSE(datapath.enrolled(second.cookie()));
}

// Two networks attach one interface of the container, as Multus over a chain does.
class TwoNetworks : public Lifecycle {
  protected:
    void SetUp() override {
        Lifecycle::SetUp();
        source.put(mesh_pod("web"));
        create("web", netns);
        EXPECT_OK(enroller->create(of_other()));
    }
    cni::Request of_other() const {
        auto request = request_for("web", netns.path());
        request.stdin_data = R"({"name":"other"})";
        return request;
    }
    TestNetns netns;
};

TEST_F(TwoNetworks, ThePodStaysInTheMeshUntilTheLastOneGoes) {
    EXPECT_EQ(enroller->attachments().size(), 2U);
    EXPECT_OK(enroller->remove(of_other()));
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    EXPECT_OK(enroller->remove(of_other()));  // DEL is repeatable
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    start();
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    EXPECT_OK(enroller->check(request_for("web", netns.path())));
    EXPECT_OK(remove());
    EXPECT_FALSE(datapath.enrolled(netns.cookie()));
}

TEST_F(TwoNetworks, TheOrderInWhichTheyGoDoesNotMatter) {
    EXPECT_OK(enroller->remove(request_for("web", netns.path())));
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    EXPECT_OK(enroller->remove(of_other()));
    EXPECT_FALSE(datapath.enrolled(netns.cookie()));
}

TEST_F(TwoNetworks, ADelOfANetworkThatWasNeverAttachedTakesNothingAway) {
    EXPECT_OK(enroller->remove(of_other()));
    auto third = request_for("web", netns.path());
    third.stdin_data = R"({"name":"third"})";
    EXPECT_OK(enroller->remove(third));
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    EXPECT_EQ(only_attachment().attachment.key, (AttachmentKey{"c1", "eth0", "net"}));
    EXPECT_OK(enroller->check(third));  // the interface is intercepted
}

TEST_F(TwoNetworks, GarbageCollectionOfOneLeavesTheOther) {
    EXPECT_OK(enroller->collect_garbage(R"({"name":"other","cni.dev/valid-attachments":[]})"));
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    EXPECT_OK(enroller->collect_garbage(R"({"name":"net","cni.dev/valid-attachments":[]})"));
    EXPECT_FALSE(datapath.enrolled(netns.cookie()));
}

TEST_F(TwoNetworks, ADelThatNamesNoNetworkTakesAllAway) {
    auto request = request_for("web", netns.path());
    request.stdin_data = "";
    EXPECT_OK(enroller->remove(request));
    EXPECT_TRUE(enroller->attachments().empty());
    EXPECT_FALSE(datapath.enrolled(netns.cookie()));
}

TEST_F(TwoNetworks, ANoteTakesTheNetworkThatItNames) {
    write_note("x.json", R"({"ContainerID":"c1","IfName":"eth0","Netns":"","Network":"other"})");
    enroller->consume_deletion_notes();
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    // From a plugin that did not record the network.
    write_note("c1-eth0.json", R"({"ContainerID":"c1","IfName":"eth0","Netns":""})");
    enroller->consume_deletion_notes();
    EXPECT_FALSE(datapath.enrolled(netns.cookie()));
}

TEST_F(Lifecycle, ADelOfAnIdThatIsTooLongForAnAddSucceeds) {
    auto request = request_for("web", "", std::string(100000, 'a'));
    EXPECT_OK(enroller->remove(request));
}

TEST_F(Lifecycle, ARestartTakesOverLivingPodsAndWithdrawsLostOnes) {
    const TestNetns living;
    TestNetns lost;
    auto pod = mesh_pod("web");
    source.put(pod);
    source.put(mesh_pod("gone"));
    create("web", living, "c1");
    create("gone", lost, "c2");
    lost.lose();
    pod.annotations["flomesh.io/outbound-port-exclusion-list"] = "5432";
    source.put(pod);
    start();
    EXPECT_FALSE(datapath.enrolled(lost.cookie()));
    ASSERT_TRUE(datapath.enrolled(living.cookie()));
    EXPECT_TRUE(datapath.enrolment(living.cookie()).policy.outbound.excluded_ports.contains(5432));
    EXPECT_EQ(only_attachment().membership, Membership::in_mesh);
}

TEST_F(Lifecycle, AnAttachmentOfAnEarlierBootIsDroppedWithoutTouchingItsCookie) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    create("web", netns);
    auto text = read_file(attachment_file(), 65536);
    ASSERT_TRUE(text);
    const auto boot_id = only_attachment().attachment.boot_id;
    text->replace(text->find(boot_id), boot_id.size(), "00000000-0000-0000-0000-000000000000");
    std::ofstream(attachment_file()) << *text;
    start();
    EXPECT_TRUE(enroller->attachments().empty());
    EXPECT_FALSE(file_exists(attachment_file()));
    EXPECT_TRUE(datapath.enrolled(netns.cookie())) << "the cookie may be another pod's by now";
}

TEST_F(Lifecycle, DeletionNotesAreConsumedAtStart) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    create("web", netns);
    enroller.reset();
    write_note("c1-eth0.json",
               R"({"ContainerID":"c1","IfName":"eth0","Netns":")" + netns.path() + R"("})");
    start();
    EXPECT_EQ(datapath.size(), 0U);
    EXPECT_FALSE(file_exists(attachment_file()));
    EXPECT_FALSE(file_exists(directory.path() + "/deleted/c1-eth0.json"));
}

TEST_F(Lifecycle, AThreadReconcilesByItself) {
    const TestNetns netns;
    auto pod = mesh_pod("web");
    source.put(pod);
    create("web", netns);
    Reconciler reconciler(*enroller, *conditions, {std::chrono::milliseconds(20), 2});
    const auto eventually = [](const std::function<bool()>& condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
        while (!condition() && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return condition();
    };
    pod.annotations["flomesh.io/outbound-port-exclusion-list"] = "1";
    source.put(pod);
    reconciler.pod_changed(pod.name);
    EXPECT_TRUE(eventually([&] {
        return datapath.enrolment(netns.cookie()).policy.outbound.excluded_ports.contains(1);
    }));
    write_note("c1-eth0.json", R"({"ContainerID":"c1","IfName":"eth0","Netns":""})");
    EXPECT_TRUE(eventually([&] { return datapath.size() == 0; }));
    EXPECT_LT(reconciler.age(), std::chrono::seconds(5));
}

TEST_F(Lifecycle, NoDescriptorStaysOpenBetweenCalls) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    const int before = open_descriptors();
    create("web", netns);
    EXPECT_OK(enroller->check(request_for("web", netns.path())));
    enroller->reconcile(ReconcileDepth::everything);
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_OK(remove());
    EXPECT_EQ(open_descriptors(), before);
}

}  // namespace

}  // namespace fsm::testing
