#include "interceptor/kubernetes/node_taint.h"

#include <atomic>
#include <optional>

#include "api_fixture.h"

namespace fsm::testing {

namespace {

using nlohmann::json;

constexpr const char* kNodes = "/api/v1/nodes";
constexpr const char* kTaint = "fsm.flomesh.io/not-ready";

bool is_patch(const ReceivedRequest& request) {
    return request.method == "PATCH";
}

bool is_read(const ReceivedRequest& request) {
    return request.method == "GET";
}

json taint(const std::string& key, const std::string& effect) {
    return {{"key", key}, {"value", "true"}, {"effect", effect}};
}

class NodeTaintTest : public ApiTest {
  protected:
    NodeTaintTest() {
        options_.node = "n1";
        options_.key = kTaint;
        options_.readiness_interval = 5ms;
        options_.look_interval = 20ms;
        options_.answer_time = 500ms;
        options_.backoff = {.first = 10ms, .longest = 50ms};
    }
    void put_node(const json& taints, const std::string& uid = "u1") {
        json spec = json::object();
        if (!taints.empty()) {
            spec["taints"] = taints;
        }
        server_.put(
            kNodes,
            {{"kind", "Node"}, {"metadata", {{"name", "n1"}, {"uid", uid}}}, {"spec", spec}});
    }
    void open() {
        taint_.emplace(access(), options_);
        taint_->start([this]() -> Result<void> {
            return ready_ ? Result<void>() : Result<void>(Error("not yet"));
        });
    }
    bool looked(std::size_t times) {
        const auto before = server_.count(is_read);
        return eventually([&] { return server_.count(is_read) >= before + times; });
    }
    json taints_now() {
        ApiClient client(access());
        const auto answer = client.get("/api/v1/nodes/n1", 1 << 20, {500ms, 500ms});
        return answer ? json::parse(answer->body).at("spec").value("taints", json::array())
                      : json();
    }
    bool gone() {
        return eventually([&] { return server_.count(is_patch) > 0; }) && eventually([&] {
                   const json left = taints_now();
                   return std::none_of(left.begin(), left.end(),
                                       [](const json& each) { return each.at("key") == kTaint; });
               });
    }

    NodeTaintOptions options_;
    std::atomic<bool> ready_ = true;
    std::optional<NodeTaint> taint_;
};

TEST_F(NodeTaintTest, StaysUntilTheInterceptorIsReady) {
    put_node(json::array({taint(kTaint, "NoSchedule")}));
    ready_ = false;
    open();
    std::this_thread::sleep_for(200ms);
    EXPECT_TRUE(server_.requests().empty()) << "nothing is asked for that is not needed";
    ready_ = true;
    EXPECT_TRUE(gone());
    EXPECT_TRUE(taint_->problems().empty());
}

TEST_F(NodeTaintTest, OnlyItsOwnKeyIsRemovedWithEachEffect) {
    const json other = taint("node.kubernetes.io/unschedulable", "NoSchedule");
    json late = taint("example.com/late", "NoExecute");
    late["timeAdded"] = "2030-01-01T00:00:00Z";
    put_node(json::array({taint(kTaint, "NoSchedule"), other, taint(kTaint, "NoExecute"), late,
                          taint(std::string(kTaint) + "-too", "NoSchedule")}));
    open();
    ASSERT_TRUE(gone());
    EXPECT_EQ(taints_now(),
              json::array({other, late, taint(std::string(kTaint) + "-too", "NoSchedule")}));
}

TEST_F(NodeTaintTest, ANodeWithoutItIsNotTouched) {
    for (const json& taints : {json::array(), json::array({taint("other", "NoSchedule")})}) {
        put_node(taints);
        open();
        ASSERT_TRUE(looked(3));
        EXPECT_EQ(server_.count(is_patch), 0U);
        EXPECT_TRUE(taint_->problems().empty());
        taint_.reset();
    }
}

TEST_F(NodeTaintTest, ItIsAJsonPatchThatTestsWhatWasSeen) {
    put_node(json::array({taint(kTaint, "NoSchedule")}));
    open();
    ASSERT_TRUE(gone());
    for (const auto& request : server_.requests()) {
        if (is_patch(request)) {
            EXPECT_EQ(request.content_type, "application/json-patch+json");
            EXPECT_EQ(json::parse(request.body)[1],
                      json({{"op", "test"},
                            {"path", "/spec/taints"},
                            {"value", json::array({taint(kTaint, "NoSchedule")})}}));
        }
    }
}

// Between the read and the patch another program adds a taint, which must not be lost.
TEST_F(NodeTaintTest, ATaintThatIsAddedAtTheSameTimeStays) {
    put_node(json::array({taint(kTaint, "NoSchedule")}));
    const json added = taint("node.kubernetes.io/disk-pressure", "NoSchedule");
    server_.next(is_read, [&](Exchange& exchange) {
        exchange.answer(200,
                        json{{"kind", "Node"},
                             {"metadata", {{"name", "n1"}, {"uid", "u1"}}},
                             {"spec", {{"taints", json::array({taint(kTaint, "NoSchedule")})}}}});
        put_node(json::array({taint(kTaint, "NoSchedule"), added}));
    });
    open();
    ASSERT_TRUE(eventually([&] { return server_.count(is_patch) > 1; }));
    ASSERT_TRUE(gone());
    EXPECT_EQ(taints_now(), json::array({added}));
    EXPECT_TRUE(taint_->problems().empty());
}

// Another node's list of that name must not be changed.
TEST_F(NodeTaintTest, ANodeThatWasRegisteredAgainMeanwhileIsLookedAtAgain) {
    put_node(json::array({taint(kTaint, "NoSchedule")}), "new");
    server_.next(is_read, [&](Exchange& exchange) {
        exchange.answer(200,
                        json{{"kind", "Node"},
                             {"metadata", {{"name", "n1"}, {"uid", "old"}}},
                             {"spec", {{"taints", json::array({taint(kTaint, "NoSchedule")})}}}});
    });
    open();
    ASSERT_TRUE(eventually([&] { return server_.count(is_patch) > 1; }));
    EXPECT_TRUE(gone());
}

TEST_F(NodeTaintTest, AConflictIsTriedAgainAndNoProblem) {
    put_node(json::array({taint(kTaint, "NoSchedule")}));
    for (int i = 0; i < 2; ++i) {
        server_.next(is_patch,
                     [](Exchange& exchange) { exchange.refuse(409, "Conflict", "try again"); });
    }
    open();
    ASSERT_TRUE(gone());
    EXPECT_EQ(server_.count(is_patch), 3U);
    EXPECT_TRUE(taint_->problems().empty());
}

TEST_F(NodeTaintTest, WhatIsForbiddenIsAProblemThatNamesTheRightAndGoesAway) {
    put_node(json::array({taint(kTaint, "NoSchedule")}));
    server_.always(is_patch,
                   [](Exchange& exchange) { exchange.refuse(403, "Forbidden", "nodes"); });
    open();
    ASSERT_TRUE(eventually([&] { return !taint_->problems().empty(); }));
    const std::string problem = taint_->problems().front().text;
    for (const char* part : {kTaint, "node n1", "403 Forbidden", "get and patch for nodes"}) {
        EXPECT_NE(problem.find(part), std::string::npos) << problem;
    }
    server_.always(nullptr, {});
    EXPECT_TRUE(gone());
    EXPECT_TRUE(eventually([&] { return taint_->problems().empty(); }));
}

TEST_F(NodeTaintTest, AnApiThatIsAwayIsAProblemAndTriedAgain) {
    put_node(json::array({taint(kTaint, "NoSchedule")}));
    server_.stop();
    open();
    ASSERT_TRUE(eventually([&] { return !taint_->problems().empty(); }));
    server_.start();
    EXPECT_TRUE(gone());
    EXPECT_TRUE(eventually([&] { return taint_->problems().empty(); }));
}

// The pod source reports that the API server is away; there is no taint that could keep pods out.
TEST_F(NodeTaintTest, AnApiThatIsAwayIsNoProblemOnceTheTaintIsGone) {
    put_node(json::array({taint(kTaint, "NoSchedule")}));
    open();
    ASSERT_TRUE(gone());
    ASSERT_TRUE(looked(2));
    server_.stop();
    std::this_thread::sleep_for(300ms);
    EXPECT_TRUE(taint_->problems().empty());
    server_.start();
    put_node(json::array({taint(kTaint, "NoSchedule")}), "u2");
    EXPECT_TRUE(gone());
}

TEST_F(NodeTaintTest, GarbageIsAProblemAndChangesNothing) {
    put_node(json::array({taint(kTaint, "NoSchedule")}));
    for (const char* garbage : {"<html>", "[]", R"({"spec":{"taints":"x"}})",
                                R"({"spec":{"taints":[{"effect":"NoSchedule"}]}})"}) {
        server_.always(is_read, [&](Exchange& exchange) { exchange.answer(200, garbage); });
        open();
        EXPECT_TRUE(eventually([&] { return !taint_->problems().empty(); })) << garbage;
        taint_.reset();
    }
    EXPECT_EQ(server_.count(is_patch), 0U);
}

// A kubelet that registers its node again does so with the taint.
TEST_F(NodeTaintTest, OneThatComesBackIsRemovedAgain) {
    put_node(json::array({taint(kTaint, "NoSchedule")}));
    open();
    ASSERT_TRUE(gone());
    const auto patches = server_.count(is_patch);
    put_node(json::array({taint(kTaint, "NoExecute")}), "u2");
    ASSERT_TRUE(eventually([&] { return server_.count(is_patch) > patches; }));
    EXPECT_TRUE(gone());
}

TEST_F(NodeTaintTest, OneThatComesBackWhileItIsNotReadyStays) {
    put_node(json::array({taint(kTaint, "NoSchedule")}));
    open();
    ASSERT_TRUE(gone());
    ready_ = false;
    std::this_thread::sleep_for(100ms);  // a check that is in progress
    put_node(json::array({taint(kTaint, "NoExecute")}), "u2");
    const auto patches = server_.count(is_patch);
    std::this_thread::sleep_for(200ms);
    EXPECT_EQ(server_.count(is_patch), patches);
}

}  // namespace

}  // namespace fsm::testing
