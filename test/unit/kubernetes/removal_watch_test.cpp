#include "interceptor/kubernetes/removal_watch.h"

#include "api_fixture.h"

namespace fsm::testing {

namespace {

using nlohmann::json;

constexpr const char* kDaemonSets = "/apis/apps/v1/daemonsets";
constexpr const char* kNodes = "/api/v1/nodes";

bool is_question_about_node(const ReceivedRequest& request) {
    return request.path == "/api/v1/nodes/n1";
}

bool is_question(const ReceivedRequest& request) {
    return request.path == "/apis/apps/v1/namespaces/fsm-system/daemonsets/fsm-interceptor";
}

class RemovalWatchTest : public ApiTest {
  protected:
    RemovalWatchTest() {
        options_.name_space = "fsm-system";
        options_.daemon_set = "fsm-interceptor";
        options_.node = "n1";
        options_.ask_time = 500ms;
        options_.refusal_time = 100ms;
        options_.collection.backoff = {.first = 10ms, .longest = 50ms};
        server_.put(kDaemonSets, daemon_set());
        server_.put(kNodes, node({{"pool", "mesh"}}));
    }
    static json node(const json& labels) {
        return {{"kind", "Node"},
                {"metadata", {{"name", "n1"}, {"labels", labels}}},
                {"spec", json::object()}};
    }
    static json daemon_set() {
        return {{"kind", "DaemonSet"},
                {"metadata", {{"name", "fsm-interceptor"}, {"namespace", "fsm-system"}}},
                {"spec", {{"template", {{"spec", {{"nodeSelector", {{"pool", "mesh"}}}}}}}}}};
    }
    void open() {
        removal_ = std::make_unique<RemovalWatch>(access(), options_);
        ASSERT_TRUE(eventually([&] { return removal_->state().listed; }));
        ASSERT_TRUE(eventually([&] { return server_.count(is_watch) > 0; }));
    }
    void refuse_questions(int status, const std::string& reason) {
        server_.always(is_question,
                       [=](Exchange& exchange) { exchange.refuse(status, reason, "no"); });
    }
    // The API no longer answers.
    void lose_api() {
        server_.stop();
        ASSERT_TRUE(eventually([&] { return !removal_->state().connected; }));
    }

    RemovalWatchOptions options_;
    std::unique_ptr<RemovalWatch> removal_;
};

TEST_F(RemovalWatchTest, AsksForItsOwnDaemonSetAlone) {
    open();
    for (const auto& request : server_.requests()) {
        EXPECT_EQ(request.path, "/apis/apps/v1/namespaces/fsm-system/daemonsets");
        EXPECT_EQ(request.parameter("fieldSelector"), "metadata.name=fsm-interceptor");
    }
}

TEST_F(RemovalWatchTest, AnUpgradeIsNoRemoval) {
    open();
    json changed = daemon_set();
    changed["spec"]["template"]["image"] = "fsm-interceptor:2";
    server_.put(kDaemonSets, changed);
    EXPECT_EQ(removal_->stop_reason(), StopReason::replacement);
}

TEST_F(RemovalWatchTest, ADaemonSetThatIsGoneIsARemoval) {
    open();
    server_.erase(kDaemonSets, "fsm-system", "fsm-interceptor");
    EXPECT_EQ(removal_->stop_reason(), StopReason::removal);
}

TEST_F(RemovalWatchTest, ADaemonSetThatIsBeingDeletedIsARemoval) {
    open();
    json going = daemon_set();
    going["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z";
    server_.put(kDaemonSets, going);
    EXPECT_EQ(removal_->stop_reason(), StopReason::removal);
}

TEST_F(RemovalWatchTest, ADaemonSetThatWasMadeAgainIsNoRemoval) {
    open();
    server_.erase(kDaemonSets, "fsm-system", "fsm-interceptor");
    server_.put(kDaemonSets, daemon_set());
    EXPECT_EQ(removal_->stop_reason(), StopReason::replacement);
}

TEST_F(RemovalWatchTest, WhileTheApiIsAwayEverythingStays) {
    open();
    lose_api();
    EXPECT_EQ(removal_->stop_reason(), StopReason::replacement);
}

TEST_F(RemovalWatchTest, WhatTheWatchSawCountsWhileTheApiIsAway) {
    open();
    server_.erase(kDaemonSets, "fsm-system", "fsm-interceptor");
    std::this_thread::sleep_for(300ms);  // the arrival of the event cannot be observed
    lose_api();
    EXPECT_EQ(removal_->stop_reason(), StopReason::removal);
}

TEST_F(RemovalWatchTest, NeverHavingReachedTheApiEverythingStays) {
    server_.stop();
    RemovalWatch removal(access(), options_);
    EXPECT_EQ(removal.stop_reason(), StopReason::replacement);
}

TEST_F(RemovalWatchTest, RightsThatWentWithEverythingElseAreARemoval) {
    for (const auto& [status, reason] : {std::pair{401, "Unauthorized"}, {403, "Forbidden"}}) {
        open();
        server_.always([](const ReceivedRequest&) { return true; },
                       [status = status, reason = reason](Exchange& exchange) {
                           exchange.refuse(status, reason, "no");
                       });
        server_.end_watches();
        ASSERT_TRUE(eventually([&] { return !removal_->state().connected; }));
        EXPECT_EQ(removal_->stop_reason(), StopReason::removal) << status;
        removal_.reset();
        server_.always(nullptr, {});
    }
}

// An API server that has just started does not know the RBAC rules yet.
TEST_F(RemovalWatchTest, ARefusalThatPassesIsNoRemoval) {
    options_.refusal_time = 10s;
    open();
    server_.always(
        [questions = 0](const ReceivedRequest& request) mutable {
            questions += is_question(request) ? 1 : 0;
            return questions < 3;
        },
        [](Exchange& exchange) { exchange.refuse(403, "Forbidden", "no"); });
    server_.end_watches();
    ASSERT_TRUE(eventually([&] { return !removal_->state().connected; }));
    EXPECT_EQ(removal_->stop_reason(), StopReason::replacement);
}

TEST_F(RemovalWatchTest, RightsThatThisPodAloneLostAreNone) {
    open();
    refuse_questions(401, "Unauthorized");  // deleted by force: its token is invalid at once
    EXPECT_EQ(removal_->stop_reason(), StopReason::replacement);
}

TEST_F(RemovalWatchTest, RightsThatWereNeverThereSayNothing) {
    server_.always([](const ReceivedRequest&) { return true; },
                   [](Exchange& exchange) { exchange.refuse(403, "Forbidden", "no"); });
    RemovalWatch removal(access(), options_);
    ASSERT_TRUE(eventually([&] { return removal.state().failures > 0; }));
    EXPECT_EQ(removal.stop_reason(), StopReason::replacement);
}

TEST_F(RemovalWatchTest, GarbageSaysNothing) {
    open();
    for (const char* garbage : {"<html>", "[]", ""}) {
        server_.next(is_question, [&](Exchange& exchange) { exchange.answer(200, garbage); });
        EXPECT_EQ(removal_->stop_reason(), StopReason::replacement) << garbage;
        server_.next(is_question, [&](Exchange& exchange) { exchange.answer(404, garbage); });
        EXPECT_EQ(removal_->stop_reason(), StopReason::replacement) << garbage;
        server_.next(is_question, [](Exchange& exchange) { exchange.close(); });
        EXPECT_EQ(removal_->stop_reason(), StopReason::replacement);
    }
}

TEST_F(RemovalWatchTest, ANodeThatTheDaemonSetDoesNotSelectAnyMoreIsDeselected) {
    open();
    server_.put(kNodes, node({{"pool", "other"}}));
    EXPECT_EQ(removal_->stop_reason(), StopReason::deselection);
}

TEST_F(RemovalWatchTest, AChangedSelectorDeselects) {
    open();
    json changed = daemon_set();
    changed["spec"]["template"]["spec"]["nodeSelector"]["pool"] = "other";
    server_.put(kDaemonSets, changed);
    EXPECT_EQ(removal_->stop_reason(), StopReason::deselection);
}

TEST_F(RemovalWatchTest, ADaemonSetThatGoesTogetherWithItsSelectionIsARemoval) {
    open();
    json going = daemon_set();
    going["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z";
    server_.put(kDaemonSets, going);
    server_.put(kNodes, node({{"pool", "other"}}));
    EXPECT_EQ(removal_->stop_reason(), StopReason::removal);
}

TEST_F(RemovalWatchTest, ANodeThatIsNotKnownIsNotDeselected) {
    open();
    server_.erase(kNodes, "", "n1");
    EXPECT_EQ(removal_->stop_reason(), StopReason::replacement);
    server_.put(kNodes, node({{"pool", "other"}}));
    const auto answers = std::vector<Behaviour>{
        [](Exchange& exchange) { exchange.refuse(403, "Forbidden", "nodes is forbidden"); },
        [](Exchange& exchange) { exchange.refuse(500, "InternalError", "no"); },
        [](Exchange& exchange) { exchange.answer(200, "<html>"); },
        [](Exchange& exchange) { exchange.answer(200, R"({"metadata":{"labels":[]}})"); },
        [](Exchange& exchange) { exchange.close(); },
    };
    for (const auto& answer : answers) {
        server_.always(is_question_about_node, answer);
        EXPECT_EQ(removal_->stop_reason(), StopReason::replacement);
    }
}

TEST_F(RemovalWatchTest, WithoutANameTheNodeIsNotAskedFor) {
    options_.node.clear();
    open();
    server_.put(kNodes, node({{"pool", "other"}}));
    EXPECT_EQ(removal_->stop_reason(), StopReason::replacement);
    EXPECT_EQ(server_.count(is_question_about_node), 0U);
}

}  // namespace

}  // namespace fsm::testing
