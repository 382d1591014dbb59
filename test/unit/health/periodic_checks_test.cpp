#include "interceptor/health/periodic_checks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

#include "test/unit/eventually.h"

namespace fsm {
namespace {

using testing::eventually;

TEST(PeriodicChecks, KeepConditionsTrue) {
    Conditions conditions;
    std::atomic<bool> broken = true;
    const PeriodicChecks checks(
        conditions,
        {{Component::configuration, "file",
          [&] { return broken ? Result<void>(Error("it is broken")) : Result<void>(); }}},
        std::chrono::milliseconds(2));
    ASSERT_EQ(conditions.all().size(), 1U) << "from the start";
    EXPECT_EQ(conditions.all()[0].problem.text, "it is broken");
    broken = false;
    EXPECT_TRUE(eventually([&] { return conditions.all().empty(); }));
    broken = true;
    EXPECT_TRUE(eventually([&] { return conditions.all().size() == 1; }));
}

TEST(PeriodicChecks, GoOnAfterAnUnexpectedError) {
    Conditions conditions;
    std::atomic<int> runs = 0;
    const PeriodicChecks checks(conditions,
                                {{Component::configuration, "first",
                                  []() -> Result<void> { throw std::runtime_error("no memory"); }},
                                 {Component::metrics, "second",
                                  [&] {
                                      ++runs;
                                      return Result<void>();
                                  }}},
                                std::chrono::milliseconds(2));
    EXPECT_TRUE(eventually([&] { return runs > 3; }));
    ASSERT_EQ(conditions.all().size(), 1U);
    EXPECT_EQ(conditions.all()[0].problem.text, "first: unexpected error: no memory");
}

TEST(PeriodicChecks, WhatIsOnlyAskedForIsToldAsWell) {
    Conditions conditions;
    std::atomic<bool> broken = false;
    std::atomic<int> told = 0;
    conditions.ask(Component::datapath, [&] {
        return broken ? std::vector<Problem>{{"connect4", "detached"}} : std::vector<Problem>();
    });
    conditions.listen([&](const Condition&) { ++told; });
    const PeriodicChecks checks(conditions, {}, std::chrono::milliseconds(2));
    broken = true;
    EXPECT_TRUE(eventually([&] { return told == 1; }));
}

}  // namespace
}  // namespace fsm
