#include "interceptor/health/conditions.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace fsm {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class ConditionsTest : public ::testing::Test {
  protected:
    std::vector<std::string> texts() {
        std::vector<std::string> found;
        for (const Condition& condition : conditions_.all()) {
            found.push_back(std::string(to_string(condition.component)) + ": " +
                            condition.problem.text);
        }
        return found;
    }

    Conditions::Clock::time_point now_ = Conditions::Clock::now();
    Conditions conditions_{[this] { return now_; }};
};

using Texts = std::vector<std::string>;

TEST_F(ConditionsTest, LastUntilTheyAreCleared) {
    conditions_.set(Component::metrics, {"endpoint", "the address is in use"});
    EXPECT_EQ(texts(), Texts({"metrics: the address is in use"}));
    conditions_.clear(Component::metrics, "another");
    conditions_.clear(Component::events, "endpoint");
    EXPECT_EQ(texts().size(), 1U);
    conditions_.clear(Component::metrics, "endpoint");
    EXPECT_TRUE(texts().empty());
}

TEST_F(ConditionsTest, KnowSinceWhenWhateverTheirWordsAreNow) {
    const auto began = now_;
    conditions_.set(Component::metrics, {"endpoint", "tried 1 time"});
    now_ += minutes(5);
    conditions_.set(Component::metrics, {"endpoint", "tried 2 times"});
    const auto all = conditions_.all();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].since, began);
    EXPECT_EQ(all[0].problem.text, "tried 2 times");
    EXPECT_EQ(conditions_.begun(), 1U);
    conditions_.clear(Component::metrics, "endpoint");
    conditions_.set(Component::metrics, {"endpoint", "tried 3 times"});
    EXPECT_EQ(conditions_.all()[0].since, now_) << "another one";
    EXPECT_EQ(conditions_.begun(), 2U);
}

TEST_F(ConditionsTest, FollowAnOutcome) {
    conditions_.follow(Component::reconciler, "sweep", Error("no"));
    EXPECT_EQ(texts(), Texts({"reconciler: no"}));
    conditions_.follow(Component::reconciler, "sweep", {});
    EXPECT_TRUE(texts().empty());
}

TEST_F(ConditionsTest, OfAGroupAreReplacedTogether) {
    conditions_.set(Component::attachments, {"save a", "disk full"});
    conditions_.replace(Component::attachments, "note ", {{"a", "one"}, {"b", "two"}});
    EXPECT_EQ(texts().size(), 3U);
    conditions_.replace(Component::attachments, "note ", {{"b", "two"}});
    EXPECT_EQ(texts(), Texts({"attachments: two", "attachments: disk full"}));
    conditions_.replace(Component::attachments, "note ", {});
    EXPECT_EQ(texts(), Texts({"attachments: disk full"}));
}

TEST_F(ConditionsTest, OfAComponentThatIsAskedAreWhatItAnswers) {
    std::vector<Problem> answer = {{"connect4", "detached"}};
    conditions_.ask(Component::datapath, [&] { return answer; });
    EXPECT_EQ(texts(), Texts({"datapath: detached"}));
    answer.clear();
    EXPECT_TRUE(texts().empty());
}

TEST_F(ConditionsTest, IncidentsAreForgotten) {
    conditions_.report(Component::attachments, "a note was garbled");
    now_ += minutes(30);
    conditions_.report(Component::attachments, "a note was garbled");
    const auto all = conditions_.all();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].kind, Condition::Kind::incident);
    now_ += minutes(30);
    EXPECT_TRUE(conditions_.all().empty());
    EXPECT_EQ(conditions_.begun(), 1U);
}

TEST_F(ConditionsTest, AreBounded) {
    for (int number = 0; number < 1000; ++number) {
        conditions_.set(Component::pod_source, {std::to_string(number), "bad"});
        conditions_.report(Component::attachments, "incident " + std::to_string(number));
    }
    EXPECT_EQ(conditions_.all().size(), 2 * Conditions::kMostOfAComponent);
    conditions_.set(Component::metrics, {"endpoint", "in use"});
    EXPECT_EQ(conditions_.all().size(), 2 * Conditions::kMostOfAComponent + 1)
        << "one component does not hide another";
    // When one has ended, there is room for the next.
    conditions_.clear(Component::pod_source, "0");
    conditions_.set(Component::pod_source, {"new", "bad"});
    EXPECT_EQ(conditions_.all().size(), 2 * Conditions::kMostOfAComponent + 1);
}

TEST_F(ConditionsTest, WhatBeginsIsToldOnce) {
    Texts told;
    conditions_.listen([&](const Condition& condition) { told.push_back(condition.problem.text); });
    for (int i = 0; i < 3; ++i) {
        conditions_.set(Component::metrics, {"endpoint", "in use"});
        conditions_.report(Component::attachments, "garbled");
        conditions_.replace(Component::reconciler, "", {{"sweep", "failed"}});
    }
    EXPECT_EQ(told, Texts({"in use", "garbled", "failed"}));
}

TEST_F(ConditionsTest, MayBeUsedByManyThreads) {
    conditions_.ask(Component::datapath, [] {
        return std::vector<Problem>{{"connect4", "detached"}};
    });
    std::vector<std::thread> threads;
    for (int number = 0; number < 4; ++number) {
        threads.emplace_back([&, number] {
            for (int i = 0; i < 500; ++i) {
                conditions_.set(Component::metrics, {std::to_string(number), "bad"});
                EXPECT_FALSE(conditions_.all().empty());
                conditions_.clear(Component::metrics, std::to_string(number));
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(texts(), Texts({"datapath: detached"}));
}

}  // namespace
}  // namespace fsm
