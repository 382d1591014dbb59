#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "interceptor/sync/reconciler.h"
#include "test/unit/sync/enroller_fixture.h"

namespace fsm::testing {

namespace {

class Concurrency : public EnrollerTest {};

using Milliseconds = std::chrono::duration<double, std::milli>;

TEST_F(Concurrency, AHundredPodsAtOnce) {
    constexpr std::size_t kPods = 100;
    std::vector<std::unique_ptr<TestNetns>> namespaces;
    for (std::size_t i = 0; i < kPods; ++i) {
        namespaces.push_back(std::make_unique<TestNetns>(std::vector<std::string>{
            "addr add 10.77.1." + std::to_string(i + 1) + "/16 dev eth0"}));
        source.put(mesh_pod("web" + std::to_string(i)));
    }
    datapath.enrol_time = std::chrono::milliseconds(1);
    std::vector<double> took(kPods);
    std::atomic<bool> go = false;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kPods; ++i) {
        threads.emplace_back([&, i] {
            const std::string number = std::to_string(i);
            const auto request = request_for("web" + number, namespaces[i]->path(), "c" + number);
            while (!go) {
                std::this_thread::yield();
            }
            const auto begin = std::chrono::steady_clock::now();
            EXPECT_OK(enroller->create(request));
            took[i] = Milliseconds(std::chrono::steady_clock::now() - begin).count();
        });
    }
    const auto begin = std::chrono::steady_clock::now();
    go = true;
    for (auto& thread : threads) {
        thread.join();
    }
    const double all = Milliseconds(std::chrono::steady_clock::now() - begin).count();
    std::sort(took.begin(), took.end());
    std::printf("100 creates at once: all in %.1f ms, median %.1f ms, p99 %.1f ms\n", all,
                took[kPods / 2], took[98]);
    EXPECT_EQ(datapath.size(), kPods);
    // Sequentially, 1 ms each in the data path alone, it would take longer than this.
    EXPECT_EQ(enroller->attachments().size(), kPods);
}

TEST_F(Concurrency, APodThatIsWaitedForDelaysNobodyElse) {
    options.pod_lookup_timeout = std::chrono::seconds(60);
    start();
    const TestNetns slow;
    const TestNetns quick;
    source.put(mesh_pod("web", "old"));
    source.put(mesh_pod("other"));
    auto waiting = request_for("web", slow.path(), "c1");
    waiting.args += ";K8S_POD_UID=new";
    std::atomic<bool> ended = false;
    std::thread thread([&] {
        EXPECT_OK(enroller->create(waiting));
        ended = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_OK(enroller->create(request_for("other", quick.path(), "c2")));
    enroller->reconcile(ReconcileDepth::everything);
    EXPECT_FALSE(ended);
    source.put(mesh_pod("web", "new"));
    thread.join();
}

TEST_F(Concurrency, AddAndDelOfTheSameContainersBesideTheReconciler) {
    constexpr int kRounds = 20;
    constexpr std::size_t kPods = 4;
    std::vector<std::unique_ptr<TestNetns>> namespaces;
    for (std::size_t i = 0; i < kPods; ++i) {
        namespaces.push_back(std::make_unique<TestNetns>());
        source.put(mesh_pod("web" + std::to_string(i)));
    }
    const Reconciler reconciler(*enroller, *conditions, {std::chrono::milliseconds(1), 2});
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 2 * kPods; ++i) {
        threads.emplace_back([&, i] {
            const std::string number = std::to_string(i % kPods);
            const auto request =
                request_for("web" + number, namespaces[i % kPods]->path(), "c" + number);
            for (int round = 0; round < kRounds; ++round) {
                EXPECT_OK(enroller->create(request));
                EXPECT_OK(enroller->remove(request));
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(datapath.size(), 0U);
    EXPECT_TRUE(enroller->attachments().empty());
}

}  // namespace

}  // namespace fsm::testing
