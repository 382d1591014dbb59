#include "common/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace fsm {
namespace {

Result<int> half_of(int number) {
    if (number % 2 != 0) {
        return Error(std::to_string(number) + " is odd", EINVAL);
    }
    return number / 2;
}

Result<int> quarter_of(int number) {
    FSM_ASSIGN(const int half, half_of(number));
    return half_of(half);
}

Result<void> check_even(int number) {
    FSM_TRY(half_of(number));
    return {};
}

TEST(Result, HandsTheValueOn) {
    const auto quarter = quarter_of(8);
    ASSERT_TRUE(quarter);
    EXPECT_EQ(*quarter, 2);
}

TEST(Result, LeavesWithTheFirstError) {
    const auto quarter = quarter_of(6);
    ASSERT_FALSE(quarter);
    EXPECT_EQ(quarter.error().message(), "3 is odd");
    EXPECT_EQ(quarter.error().errno_value(), EINVAL);
    EXPECT_FALSE(check_even(3));
    EXPECT_TRUE(check_even(4));
}

TEST(Result, HoldsWhatCannotBeCopied) {
    Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
    ASSERT_TRUE(result);
    const std::unique_ptr<int> taken = std::move(*result);
    EXPECT_EQ(*taken, 7);
}

TEST(Error, ReadsFromTheOutsideIn) {
    const Error error = Error::from_errno("open /x", ENOENT).within("load profile").within("start");
    EXPECT_EQ(error.message(), "start: load profile: open /x: No such file or directory");
    EXPECT_EQ(error.errno_value(), ENOENT);
}

}  // namespace
}  // namespace fsm
