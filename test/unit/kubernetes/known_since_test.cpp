// Since when a pod is known, for the time until its enrolment; and for how long the API is away.
#include "api_fixture.h"
#include "interceptor/kubernetes/kubernetes_pods.h"

namespace fsm::testing {

namespace {

using Time = std::chrono::steady_clock::time_point;

class KnownSinceTest : public ApiTest {
  protected:
    void open() {
        KubernetesPodsOptions options;
        options.node = "n1";
        options.first_list_time = 5s;
        options.collection.backoff = {.first = 10ms, .longest = 50ms};
        pods_ = std::make_unique<KubernetesPods>(access(), options);
        ASSERT_TRUE(pods_->watch([](const PodName&) {}));
        ASSERT_TRUE(eventually([&] { return server_.count(is_watch) > 0; }));
    }
    // The pod once it has this label.
    std::optional<Pod> with_label(const std::string& value) const {
        std::optional<Pod> pod;
        eventually([&] {
            const auto all = pods_->list();
            for (const Pod& each : all ? *all : std::vector<Pod>()) {
                if (each.labels.contains("l") && each.labels.at("l") == value) {
                    pod = each;
                }
            }
            return pod.has_value();
        });
        return pod;
    }
    void put(const std::string& uid, const std::string& label) {
        auto object = pod_object("a", uid);
        object["metadata"]["labels"]["l"] = label;
        server_.put(kPods, object);
    }
    double figure(const std::string& name) const {
        for (const SourceFigure& each : pods_->figures()) {
            if (each.name == name) {
                return each.value;
            }
        }
        return -1;
    }

    std::unique_ptr<KubernetesPods> pods_;
};

TEST_F(KnownSinceTest, AChangedPodIsKnownAsLongAsBefore) {
    put("u1", "first");
    open();
    const auto first = with_label("first");
    put("u1", "second");
    const auto second = with_label("second");
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->known.time, second->known.time);
}

TEST_F(KnownSinceTest, APodOfTheSameNameIsAnother) {
    put("u1", "first");
    open();
    const auto first = with_label("first");
    put("u2", "second");
    const auto second = with_label("second");
    ASSERT_TRUE(first && second);
    EXPECT_LT(first->known.time, second->known.time);
}

TEST_F(KnownSinceTest, TheTimeWithoutTheApiIsTold) {
    open();
    EXPECT_EQ(figure("disconnected_seconds"), 0);
    server_.stop();
    EXPECT_TRUE(eventually([&] { return figure("disconnected_seconds") > 0.01; }));
    EXPECT_EQ(figure("connected"), 0);
}

}  // namespace

}  // namespace fsm::testing
