#include "interceptor/kubernetes/backoff.h"

#include <gtest/gtest.h>

#include <set>

namespace fsm::testing {

namespace {

using namespace std::chrono_literals;

TEST(Backoff, GrowsToItsLimitAndBeginsAgain) {
    Backoff backoff({.first = 500ms, .longest = 30s});
    auto step = 500ms;
    for (int i = 0; i < 12; ++i) {
        const auto pause = backoff.next();
        EXPECT_GE(pause, step / 2);
        EXPECT_LE(pause, step);
        step = std::min<std::chrono::milliseconds>(step * 2, 30s);
    }
    EXPECT_EQ(step, 30s);
    backoff.reset();
    EXPECT_LE(backoff.next(), 500ms);
}

TEST(Backoff, IsNotTheSameForEverybody) {
    std::set<std::chrono::milliseconds> pauses;
    for (int i = 0; i < 20; ++i) {
        Backoff backoff({.first = 30s, .longest = 30s});
        pauses.insert(backoff.next());
    }
    EXPECT_GT(pauses.size(), 10U);
}

}  // namespace

}  // namespace fsm::testing
