// One test per row of docs/failure-policy.md that can be reached without the kernel's data path.
// The document quotes the names.
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "common/file.h"
#include "interceptor/sync/reconciler.h"
#include "test/unit/eventually.h"
#include "test/unit/sync/enroller_fixture.h"

namespace fsm::testing {

namespace {

class FailurePolicy : public EnrollerTest {};

TEST_F(FailurePolicy, SourceCannotTell) {
    const TestNetns netns;
    source.fail("the manifest web.yaml cannot be read");
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_CNI_ERROR(enroller->create(request_for("web", netns.path())), try_again_later,
                     "web.yaml");
    EXPECT_GE(std::chrono::steady_clock::now() - begin, options.pod_lookup_timeout);
    EXPECT_EQ(datapath.size(), 0U);
    EXPECT_FALSE(file_exists(attachment_file()));
    EXPECT_TRUE(enroller->attachments().empty());
}

TEST_F(FailurePolicy, UnknownPodPasses) {
    const TestNetns netns;
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    EXPECT_FALSE(datapath.enrolled(netns.cookie()));
    EXPECT_EQ(only_attachment().membership, Membership::unknown);
    EXPECT_NE(only_attachment().reason.find("has no such pod"), std::string::npos);
}

TEST_F(FailurePolicy, UnknownPodIsRefused) {
    options.unknown_pods = UnknownPods::refuse;
    start();
    const TestNetns netns;
    EXPECT_CNI_ERROR(enroller->create(request_for("web", netns.path())), try_again_later,
                     "unknownPods");
    EXPECT_TRUE(enroller->attachments().empty());
}

TEST_F(FailurePolicy, ContainerThatIsNoPod) {
    const TestNetns netns;
    auto request = request_for("web", netns.path());
    request.args = "IgnoreUnknown=1";
    EXPECT_OK(enroller->create(request));
    EXPECT_EQ(only_attachment().membership, Membership::unknown);
    EXPECT_OK(enroller->remove(request));
    options.unknown_pods = UnknownPods::refuse;
    start();
    EXPECT_CNI_ERROR(enroller->create(request), invalid_environment, "K8S_POD_NAME");
}

TEST_F(FailurePolicy, EnrolmentFails) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    datapath.enrol_failure = "attach sk_lookup: Operation not permitted";
    EXPECT_CNI_ERROR(enroller->create(request_for("web", netns.path())), enrolment_failed,
                     "attach sk_lookup: Operation not permitted");
    EXPECT_FALSE(file_exists(attachment_file()));
    EXPECT_TRUE(enroller->attachments().empty());
    datapath.enrol_failure.clear();
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
}

TEST_F(FailurePolicy, RepeatedAddFails) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    datapath.enrol_failure = "no memory";
    EXPECT_CNI_ERROR(enroller->create(request_for("web", netns.path())), enrolment_failed,
                     "no memory");
    EXPECT_TRUE(datapath.enrolled(netns.cookie())) << "what was there before stays";
    EXPECT_TRUE(file_exists(attachment_file()));
    EXPECT_EQ(only_attachment().membership, Membership::in_mesh);
}

TEST_F(FailurePolicy, AttachmentCannotBeWritten) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    // A directory in place of the file: root ignores permissions.
    std::filesystem::create_directory(attachment_file());
    EXPECT_CNI_ERROR(enroller->create(request_for("web", netns.path())), state_not_written,
                     "net/c1/eth0");
    EXPECT_EQ(datapath.enrol_calls(), 0);
    EXPECT_TRUE(enroller->attachments().empty());
}

TEST_F(FailurePolicy, MeshedPodWithoutAddress) {
    const TestNetns netns(std::vector<std::string>{});
    source.put(mesh_pod("web"));
    EXPECT_CNI_ERROR(enroller->create(request_for("web", netns.path())), enrolment_failed,
                     "no address");
    source.put(plain_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
}

TEST_F(FailurePolicy, PodOutsideTheMeshCannotBeWithdrawn) {
    const TestNetns netns;
    source.put(plain_pod("web"));
    datapath.withdraw_failure = "map update: Invalid argument";
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    ASSERT_EQ(problems().size(), 1U);
    EXPECT_NE(problems()[0].find("Invalid argument"), std::string::npos);
}

TEST_F(FailurePolicy, BadAnnotation) {
    const TestNetns netns;
    auto pod = mesh_pod("web");
    pod.annotations["flomesh.io/outbound-port-exclusion-list"] = "x, 5432";
    source.put(pod);
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    EXPECT_TRUE(datapath.enrolment(netns.cookie()).policy.outbound.excluded_ports.contains(5432));
    ASSERT_FALSE(only_attachment().problems.empty());
    EXPECT_NE(only_attachment().problems[0].text.find("outbound-port-exclusion-list"),
              std::string::npos);
}

// Its sidecar has another uid than the profile's.
Pod refused_pod() {
    auto pod = mesh_pod("web");
    pod.containers.back().run_as_user = 4711;
    return pod;
}

TEST_F(FailurePolicy, APodThatCannotBeInterceptedRightlyIsNotStarted) {
    const TestNetns netns;
    source.put(refused_pod());
    const auto outcome = enroller->create(request_for("web", netns.path()));
    EXPECT_CNI_ERROR(outcome, enrolment_failed, "cannot be intercepted correctly");
    EXPECT_CNI_ERROR(outcome, enrolment_failed, "set its runAsUser to 1500");
    EXPECT_FALSE(datapath.enrolled(netns.cookie()));
    EXPECT_TRUE(enroller->attachments().empty());
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
}

TEST_F(FailurePolicy, ARunningPodWhoseNewSettingsAreRefusedKeepsTheOldOnes) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    source.put(refused_pod());
    enroller->reconcile_pod({"default", "web"});
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    EXPECT_EQ(only_attachment().membership, Membership::in_mesh);
    EXPECT_CNI_ERROR(enroller->check(request_for("web", netns.path())), not_enrolled,
                     "the former ones stay");
    source.put(mesh_pod("web"));
    enroller->reconcile(ReconcileDepth::settings);
    EXPECT_OK(enroller->check(request_for("web", netns.path())));
}

TEST_F(FailurePolicy, ChangedSettingsCannotBeApplied) {
    const TestNetns netns;
    auto pod = mesh_pod("web");
    source.put(pod);
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    datapath.enrol_failure = "policy map is full";
    pod.annotations["flomesh.io/outbound-port-exclusion-list"] = "5432";
    source.put(pod);
    enroller->reconcile_pod(pod.name);
    EXPECT_TRUE(datapath.enrolled(netns.cookie())) << "the old rules stay";
    EXPECT_CNI_ERROR(enroller->status(), limited_connectivity, "default/web: policy map is full");
    EXPECT_CNI_ERROR(enroller->check(request_for("web", netns.path())), not_enrolled,
                     "policy map is full");
    datapath.enrol_failure.clear();
    enroller->reconcile(ReconcileDepth::settings);
    EXPECT_TRUE(datapath.enrolment(netns.cookie()).policy.outbound.excluded_ports.contains(5432));
    EXPECT_OK(enroller->status());
}

TEST_F(FailurePolicy, RunningPodVanishesFromTheSource) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    source.erase({"default", "web"});
    enroller->reconcile(ReconcileDepth::everything);
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    EXPECT_NE(only_attachment().reason.find("stays intercepted"), std::string::npos);
    start();
    EXPECT_TRUE(datapath.enrolled(netns.cookie())) << "after a restart too";
    EXPECT_EQ(only_attachment().membership, Membership::in_mesh);
}

TEST_F(FailurePolicy, SourceCannotTellAboutARunningPod) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    source.fail("the connection is lost");
    enroller->reconcile(ReconcileDepth::everything);
    start();
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
}

TEST_F(FailurePolicy, WithdrawalFails) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    datapath.withdraw_failure = "detach tc: Device busy";
    EXPECT_CNI_ERROR(enroller->remove(request_for("web", "")), withdrawal_failed, "Device busy");
    EXPECT_TRUE(file_exists(attachment_file())) << "it is tried again";
    datapath.withdraw_failure.clear();
    EXPECT_OK(enroller->remove(request_for("web", "")));
}

TEST_F(FailurePolicy, GarbageCollectionGoesOnAfterAFailure) {
    const TestNetns first;
    const TestNetns second;
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", first.path(), "c1")));
    EXPECT_OK(enroller->create(request_for("web", second.path(), "c2")));
    datapath.withdraw_failure = "map delete: Bad address";
    const auto outcome =
        enroller->collect_garbage(R"({"name":"net","cni.dev/valid-attachments":[]})");
    EXPECT_CNI_ERROR(outcome, collection_incomplete, "net/c1/eth0");
    EXPECT_CNI_ERROR(outcome, collection_incomplete, "net/c2/eth0");
    datapath.withdraw_failure.clear();
    EXPECT_OK(enroller->collect_garbage(R"({"name":"net","cni.dev/valid-attachments":[]})"));
    EXPECT_TRUE(enroller->attachments().empty());
}

TEST_F(FailurePolicy, CorruptAttachmentFile) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    std::ofstream(attachment_file()) << "{\"containerID\":";
    start();
    EXPECT_TRUE(file_exists(attachment_file() + ".corrupt"));
    EXPECT_FALSE(file_exists(attachment_file()));
    EXPECT_TRUE(datapath.enrolled(netns.cookie())) << "never around the sidecar";
    const auto said = problems();
    ASSERT_EQ(said.size(), 2U);
    EXPECT_NE(said[0].find("c1-eth0-"), std::string::npos);
    EXPECT_NE(said[1].find(std::to_string(netns.cookie())), std::string::npos);
    EXPECT_OK(enroller->remove(request_for("web", netns.path())));
    EXPECT_FALSE(datapath.enrolled(netns.cookie())) << "DEL cleans all the same";
    enroller->reconcile(ReconcileDepth::everything);
    ASSERT_EQ(problems().size(), 1U) << "the pod is gone, the file is there";
    start();
    EXPECT_EQ(problems().size(), 1U) << "after a restart, too";
    std::filesystem::remove(attachment_file() + ".corrupt");
    enroller->reconcile(ReconcileDepth::everything);
    EXPECT_TRUE(problems().empty()) << problems().front();
}

TEST_F(FailurePolicy, AStartAsksForTheHeldPodsOnceHoweverManyThereAre) {
    for (std::uint64_t pod = 1; pod <= 100; ++pod) {
        PodEnrolment enrolment;
        enrolment.netns_cookie = 1000000 + pod;
        datapath.plant(enrolment);
    }
    datapath.listings = 0;
    start();
    EXPECT_LE(datapath.listings, 4);
    EXPECT_EQ(problems().size(), Conditions::kMostOfAComponent) << "no attachment names them";
}

TEST_F(FailurePolicy, GarbageAmongDeletionNotes) {
    const std::string deleted = directory.path() + "/deleted/";
    std::ofstream(deleted + "a.json") << "not json";
    std::ofstream(deleted + "b.json") << R"({"ContainerID":"../x","IfName":"eth0","Netns":""})";
    std::ofstream(deleted + "c") << std::string(100000, 'x');
    std::filesystem::create_directories(deleted + "d/e");
    std::filesystem::create_symlink("/etc/passwd", deleted + "f.json");
    enroller->consume_deletion_notes();
    EXPECT_TRUE(std::filesystem::is_empty(deleted));
    EXPECT_EQ(problems().size(), 5U) << "incidents";
    EXPECT_TRUE(file_exists("/etc/passwd"));
}

TEST_F(FailurePolicy, DeletionNoteThatCannotBeCarriedOut) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    const std::string note = directory.path() + "/deleted/c1-eth0.json";
    std::ofstream(note) << R"({"ContainerID":"c1","IfName":"eth0","Netns":""})";
    datapath.withdraw_failure = "busy";
    enroller->consume_deletion_notes();
    EXPECT_TRUE(file_exists(note)) << "it is tried again";
    ASSERT_EQ(problems().size(), 1U);
    EXPECT_NE(problems()[0].find("busy"), std::string::npos);
    datapath.withdraw_failure.clear();
    enroller->consume_deletion_notes();
    EXPECT_FALSE(file_exists(note));
    EXPECT_TRUE(problems().empty()) << problems().front();
    EXPECT_EQ(datapath.size(), 0U);
}

TEST_F(FailurePolicy, WhatIsBrokenForTheWholeNodeRefusesNewPodsUntilItIsMended) {
    datapath.set_node_conditions({{"connect4", "fsm_connect4 is detached"}});
    EXPECT_CNI_ERROR(enroller->status(), unavailable, "fsm_connect4 is detached");
    datapath.set_node_conditions({});
    EXPECT_OK(enroller->status());
}

TEST_F(FailurePolicy, ASweepThatFailsIsAProblemUntilOneSucceeds) {
    datapath.fail_sweeps("a pin cannot be read");
    enroller->reconcile(ReconcileDepth::settings);
    enroller->reconcile(ReconcileDepth::settings);
    ASSERT_EQ(problems().size(), 1U);
    EXPECT_NE(problems()[0].find("a pin cannot be read"), std::string::npos) << problems()[0];
    datapath.fail_sweeps("");
    enroller->reconcile(ReconcileDepth::settings);
    EXPECT_TRUE(problems().empty());
}

TEST_F(FailurePolicy, AnUnexpectedErrorAtOnePodDoesNotKeepTheOthersFromTheirTurn) {
    const TestNetns broken;
    const TestNetns netns;
    source.put(mesh_pod("broken"));
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("broken", broken.path(), "c1")));
    EXPECT_OK(enroller->create(request_for("web", netns.path(), "c2")));
    datapath.throw_at_check_of(broken.cookie());
    EXPECT_TRUE(datapath.withdraw(netns.cookie(), nullptr));
    enroller->reconcile(ReconcileDepth::everything);
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    ASSERT_EQ(problems().size(), 1U);
    EXPECT_NE(problems()[0].find("c1"), std::string::npos) << problems()[0];
    EXPECT_NE(problems()[0].find("unexpected error"), std::string::npos) << problems()[0];
    datapath.throw_at_check_of(0);
    enroller->reconcile(ReconcileDepth::everything);
    EXPECT_TRUE(problems().empty());
}

TEST_F(FailurePolicy, AnUnexpectedErrorDoesNotEndTheReconciler) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    source.throw_at_list(true);
    const Reconciler reconciler(*enroller, *conditions, {std::chrono::milliseconds(5), 2});
    EXPECT_TRUE(eventually([&] { return !problems().empty(); }));
    EXPECT_LT(reconciler.age(), std::chrono::seconds(5)) << "passes go on";
    source.throw_at_list(false);
    EXPECT_TRUE(eventually([&] { return problems().empty(); }));
}

TEST_F(FailurePolicy, StatusIsAskedManyTimesAtOnce) {
    std::atomic<int> failures = 0;
    std::vector<std::thread> askers;
    for (int asker = 0; asker < 8; ++asker) {
        askers.emplace_back([&] {
            for (int i = 0; i < 300; ++i) {
                failures += enroller->status() ? 0 : 1;
            }
        });
    }
    for (auto& asker : askers) {
        asker.join();
    }
    EXPECT_EQ(failures, 0);
    EXPECT_TRUE(std::filesystem::is_empty(directory.path() + "/attachments"));
}

TEST_F(FailurePolicy, StateDirectoryCannotBeWritten) {
    std::filesystem::remove_all(directory.path() + "/attachments");
    EXPECT_CNI_ERROR(enroller->status(), unavailable, "attachments");
}

}  // namespace

}  // namespace fsm::testing
