#include "interceptor/kubernetes/pod_events.h"

#include "api_fixture.h"

namespace fsm::testing {

namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const PodWarning kBadList{{"shop", "web-0"},
                          "u1",
                          PodWarningReason::annotation_ignored,
                          "annotation a/b: \"x\" is not a port; it is left out"};

bool is_post(const ReceivedRequest& request) {
    return request.method == "POST";
}

class PodEventsTest : public ApiTest {
  protected:
    PodEventsTest() {
        options_.host = "n1";
        options_.backoff = {.first = 5ms, .longest = 20ms};
        options_.interval = 1ms;
    }
    void open() { events_ = std::make_unique<PodEvents>(access(), options_); }
    bool soon_told(std::size_t count) {
        return eventually([&] { return server_.posted().size() == count; });
    }
    static PodWarning about(const std::string& pod) {
        PodWarning warning = kBadList;
        warning.pod.name = pod;
        warning.uid = "uid-" + pod;
        return warning;
    }

    PodEventsOptions options_;
    std::unique_ptr<PodEvents> events_;
};

TEST_F(PodEventsTest, WritesWhatKubectlShows) {
    open();
    events_->warn(kBadList);
    ASSERT_TRUE(soon_told(1));
    const json event = server_.posted().front();
    EXPECT_EQ(event.at("kind"), "Event");
    EXPECT_EQ(event.at("metadata").at("namespace"), "shop");
    EXPECT_EQ(event.at("involvedObject"), json({{"apiVersion", "v1"},
                                                {"kind", "Pod"},
                                                {"namespace", "shop"},
                                                {"name", "web-0"},
                                                {"uid", "u1"}}));
    EXPECT_EQ(event.at("type"), "Warning");
    EXPECT_EQ(event.at("reason"), "FsmAnnotationIgnored");
    EXPECT_EQ(event.at("message"), kBadList.message);
    EXPECT_EQ(event.at("source"), json({{"component", "fsm-interceptor"}, {"host", "n1"}}));
    EXPECT_THAT(event.at("firstTimestamp").get<std::string>(), SizeIs(20));
    EXPECT_EQ(event.at("firstTimestamp"), event.at("lastTimestamp"));
    EXPECT_EQ(event.at("count"), 1);
    EXPECT_EQ(server_.requests().front().path, "/api/v1/namespaces/shop/events");
}

TEST_F(PodEventsTest, SaysAThingOnce) {
    open();
    for (int i = 0; i < 10; ++i) {
        events_->warn(kBadList);
    }
    PodWarning recreated = kBadList;
    recreated.uid = "u2";
    events_->warn(recreated);
    EXPECT_TRUE(soon_told(2));
    std::this_thread::sleep_for(30ms);
    EXPECT_TRUE(soon_told(2));
    EXPECT_NE(server_.posted()[0].at("metadata").at("name"),
              server_.posted()[1].at("metadata").at("name"));
}

TEST_F(PodEventsTest, WordsThatChangeEachTimeAreNotToldForEver) {
    open();
    PodWarning refusal = kBadList;
    for (int i = 0; i < 100; ++i) {
        refusal.message = "cannot look into /run/netns/cni-" + std::to_string(i);
        events_->warn(refusal);
    }
    events_->warn(about("other"));
    EXPECT_TRUE(soon_told(6));
    std::this_thread::sleep_for(30ms);
    EXPECT_TRUE(soon_told(6));
}

TEST_F(PodEventsTest, TheNextProcessUsesTheSameName) {
    open();
    events_->warn(kBadList);
    ASSERT_TRUE(soon_told(1));
    events_.reset();
    open();
    events_->warn(kBadList);
    ASSERT_TRUE(soon_told(2));
    EXPECT_EQ(server_.posted()[0].at("metadata").at("name"),
              server_.posted()[1].at("metadata").at("name"));
    // The API answers that the event exists: that counts as a success.
    server_.next(is_post, [](Exchange& e) { e.refuse(409, "AlreadyExists", "it exists"); });
    events_->warn(about("other"));
    ASSERT_TRUE(eventually([&] { return server_.count(is_post) == 3; }));
    EXPECT_EQ(events_->dropped(), 0U);
}

TEST_F(PodEventsTest, SaysItAgainAfterAWhile) {
    options_.forget_after = 20ms;
    open();
    events_->warn(kBadList);
    ASSERT_TRUE(soon_told(1));
    ASSERT_TRUE(eventually([&] { return events_->waiting() == 0; }));
    std::this_thread::sleep_for(30ms);
    events_->warn(kBadList);
    EXPECT_TRUE(soon_told(2));
}

TEST_F(PodEventsTest, TellsLaterWhatItCouldNotTellWhileTheApiWasAway) {
    server_.stop();
    open();
    const auto began = std::chrono::steady_clock::now();
    events_->warn(kBadList);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 100ms)
        << "the caller does not wait for an event";
    std::this_thread::sleep_for(500ms);  // dozens of attempts
    EXPECT_EQ(events_->waiting(), 1U);
    ASSERT_EQ(events_->problems().size(), 1U);
    EXPECT_THAT(events_->problems().front().text, HasSubstr("cannot be written as events"));
    events_->warn(kBadList);  // it waits already
    EXPECT_EQ(events_->waiting(), 1U);
    server_.start();
    ASSERT_TRUE(soon_told(1));
    EXPECT_TRUE(eventually([&] { return events_->waiting() == 0; }));
    EXPECT_TRUE(events_->problems().empty());
    events_->warn(kBadList);  // it is told
    EXPECT_EQ(events_->waiting(), 0U);
    EXPECT_EQ(events_->dropped(), 0U);
}

TEST_F(PodEventsTest, NeverGivesUpWhatTheApiDoesNotTakeNow) {
    server_.always(is_post, [](Exchange& e) { e.refuse(503, "Unavailable", "later"); });
    open();
    events_->warn(kBadList);
    ASSERT_TRUE(eventually([&] { return server_.count(is_post) > 10; }));
    EXPECT_EQ(events_->dropped(), 0U);
    EXPECT_EQ(events_->waiting(), 1U);
    server_.always([](const ReceivedRequest&) { return false; }, nullptr);
    EXPECT_TRUE(soon_told(1));
}

TEST_F(PodEventsTest, OneThatTheApiNeverTakesDoesNotKeepTheOthersWaiting) {
    server_.always(
        [](const ReceivedRequest& request) {
            return is_post(request) && request.body.find("poison") != std::string::npos;
        },
        [](Exchange& e) { e.refuse(500, "InternalError", "no"); });
    open();
    events_->warn(about("poison"));
    events_->warn(about("web"));
    EXPECT_TRUE(soon_told(1));
    EXPECT_TRUE(eventually([&] { return events_->waiting() == 1; }));
}

TEST_F(PodEventsTest, WhatWaitsIsBoundedAndTheNewestOfAPodIsKept) {
    server_.stop();
    options_.max_waiting = 10;
    open();
    PodWarning refusal = kBadList;
    for (int i = 0; i < 100; ++i) {
        refusal.message = "attempt " + std::to_string(i);
        events_->warn(refusal);
    }
    EXPECT_EQ(events_->waiting(), 5U);
    EXPECT_EQ(events_->dropped(), 0U) << "coalesced";
    for (int i = 0; i < 100; ++i) {
        events_->warn(about("p" + std::to_string(i)));
    }
    EXPECT_LE(events_->waiting(), 11U);
    EXPECT_GE(events_->dropped(), 94U);
    server_.start();
    ASSERT_TRUE(eventually([&] { return events_->waiting() == 0; }));
    const auto posted = server_.posted();
    EXPECT_EQ(posted.back().at("involvedObject").at("name"), "p99");
    EXPECT_EQ(posted.size() + events_->dropped(), 105U);
}

TEST_F(PodEventsTest, ARefusalIsNotRepeated) {
    server_.always(is_post, [](Exchange& e) { e.refuse(403, "Forbidden", "no events"); });
    open();
    events_->warn(kBadList);
    EXPECT_TRUE(eventually([&] { return events_->dropped() == 1; }));
    events_->warn(kBadList);
    std::this_thread::sleep_for(30ms);
    EXPECT_EQ(server_.count(is_post), 1U);
    ASSERT_EQ(events_->problems().size(), 1U);
    EXPECT_THAT(events_->problems().front().text, HasSubstr("403"));
}

TEST_F(PodEventsTest, AFloodIsSlowedDownAndBounded) {
    options_.interval = 20ms;
    options_.burst = 5;
    options_.max_waiting = 10;
    open();
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < 1000; ++i) {
        events_->warn(about("p" + std::to_string(i)));
    }
    EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
    EXPECT_TRUE(eventually([&] { return server_.posted().size() + events_->dropped() == 1000; }));
    EXPECT_LT(server_.posted().size(), 200U);
    EXPECT_EQ(server_.posted().back().at("involvedObject").at("name"), "p999");
}

TEST_F(PodEventsTest, MessagesAreShortAndReadable) {
    open();
    PodWarning warning = kBadList;
    warning.message = "\xff";
    for (int i = 0; i < 1000; ++i) {
        warning.message += "ä";
    }
    events_->warn(warning);
    ASSERT_TRUE(soon_told(1));
    EXPECT_LE(server_.posted().front().at("message").get<std::string>().size(), 1030U);
}

TEST_F(PodEventsTest, StopsAtOnce) {
    server_.always(is_post, [](Exchange& exchange) {
        std::this_thread::sleep_for(300ms);
        exchange.close();
    });
    open();
    events_->warn(kBadList);
    ASSERT_TRUE(eventually([&] { return server_.count(is_post) == 1; }));
    const auto began = std::chrono::steady_clock::now();
    events_.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - began, 250ms);
}

}  // namespace

}  // namespace fsm::testing
