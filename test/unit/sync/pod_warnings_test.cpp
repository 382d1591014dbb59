// The reports to the owners of pods.
#include "test/unit/sync/enroller_fixture.h"

namespace fsm::testing {

namespace {

class RecordingNotifier final : public PodNotifier {
  public:
    void warn(const PodWarning& warning) override { warnings.push_back(warning); }
    std::vector<PodWarning> warnings;
};

class PodWarningsTest : public EnrollerTest {
  protected:
    PodWarningsTest() { pod_.annotations["flomesh.io/outbound-port-exclusion-list"] = "x, 5432"; }
    void SetUp() override {
        EnrollerTest::SetUp();
        enroller->set_notifier(notifier_);
    }
    // One warning, to the owner of the pod.
    void expect_warning(PodWarningReason reason, const std::string& part_of_message) const {
        ASSERT_EQ(notifier_.warnings.size(), 1U);
        const PodWarning& warning = notifier_.warnings.front();
        EXPECT_EQ(warning.pod, pod_.name);
        EXPECT_EQ(warning.uid, "u1");
        EXPECT_EQ(warning.reason, reason);
        EXPECT_NE(warning.message.find(part_of_message), std::string::npos) << warning.message;
    }
    static cni::Request request(const TestNetns& netns) {
        auto made = request_for("web", netns.path());
        made.args += ";K8S_POD_UID=u1";
        return made;
    }

    Pod pod_ = mesh_pod("web", "u1");
    RecordingNotifier notifier_;
};

TEST_F(PodWarningsTest, ABadAnnotation) {
    const TestNetns netns;
    source.put(pod_);
    EXPECT_OK(enroller->create(request(netns)));
    expect_warning(PodWarningReason::annotation_ignored, "outbound-port-exclusion-list");
}

TEST_F(PodWarningsTest, ABadAnnotationOfARunningPod) {
    const TestNetns netns;
    source.put(mesh_pod("web", "u1"));
    EXPECT_OK(enroller->create(request(netns)));
    EXPECT_TRUE(notifier_.warnings.empty());
    source.put(pod_);
    enroller->reconcile_pod(pod_.name);
    enroller->reconcile(ReconcileDepth::everything);
    ASSERT_EQ(notifier_.warnings.size(), 1U) << "once";
    EXPECT_EQ(notifier_.warnings.front().reason, PodWarningReason::annotation_ignored);
}

TEST_F(PodWarningsTest, AnEventOfTheDataPathOnceAMinute) {
    const TestNetns netns;
    const TestNetns unknown;
    source.put(mesh_pod("web", "u1"));
    EXPECT_OK(enroller->create(request(netns)));
    datapath.events = {{netns.cookie(), "its connections are refused", 7},
                       {unknown.cookie(), "of no attachment", 1}};
    enroller->check_node();
    datapath.events = {{netns.cookie(), "its connections are refused", 9}};
    enroller->check_node();
    expect_warning(PodWarningReason::pod_problem, "its connections are refused");
}

TEST_F(PodWarningsTest, ARefusal) {
    const TestNetns netns;
    source.put(mesh_pod("web", "u1"));
    datapath.enrol_failure = "policy map is full";
    EXPECT_CNI_ERROR(enroller->create(request(netns)), enrolment_failed, "policy map is full");
    expect_warning(PodWarningReason::refused, "policy map is full");
}

TEST_F(PodWarningsTest, APodThatCannotBeInterceptedRightly) {
    const TestNetns netns;
    auto pod = mesh_pod("web", "u1");
    pod.containers.back().run_as_user = 0;
    source.put(pod);
    EXPECT_CNI_ERROR(enroller->create(request(netns)), enrolment_failed, "runs as uid 0");
    expect_warning(PodWarningReason::refused,
                   "runs as uid 0, but the mesh's sidecars have uid 1500");
}

TEST_F(PodWarningsTest, AnApplicationWithTheSidecarsUid) {
    const TestNetns netns;
    auto pod = mesh_pod("web", "u1");
    pod.containers.front().run_as_user = 1500;
    source.put(pod);
    EXPECT_OK(enroller->create(request(netns)));
    expect_warning(PodWarningReason::pod_problem, "container app has runAsUser 1500");
}

TEST_F(PodWarningsTest, AContainerThatIsNoPodHasNoOwner) {
    const TestNetns netns;
    options.unknown_pods = UnknownPods::refuse;
    start();
    enroller->set_notifier(notifier_);
    auto unnamed = request_for("", netns.path());
    unnamed.args = "";
    EXPECT_CNI_ERROR(enroller->create(unnamed), invalid_environment, "not a pod");
    EXPECT_TRUE(notifier_.warnings.empty());
}

}  // namespace

}  // namespace fsm::testing
