#include "common/failures.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace fsm {
namespace {

TEST(Failures, OfSuccessesAreNone) {
    Failures failures;
    failures.note(Result<void>());
    failures.note(Result<int>(7));
    EXPECT_TRUE(failures.empty());
    EXPECT_TRUE(failures.result());
    EXPECT_TRUE(failures.result("sweep"));
}

TEST(Failures, AreToldTogetherWithTheirContext) {
    Failures failures;
    failures.note(Result<void>(Error("one", EPERM)));
    failures.note(Result<int>(Error("two", EPERM)));
    const auto outcome = failures.result("sweep");
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().message(), "sweep: one; two");
    EXPECT_EQ(outcome.error().errno_value(), EPERM);
}

TEST(Failures, OfDifferentCausesHaveNoErrno) {
    Failures failures;
    failures.note(Error("one", EPERM));
    failures.note(Error("two", ENOENT));
    failures.note(Error("three", ENOENT));
    EXPECT_EQ(failures.result().error().errno_value(), 0);
}

TEST(Failures, ThatAreEqualAreSaidOnce) {
    Failures failures;
    failures.note(Error("no permission"));
    failures.note(Error("no permission"));
    EXPECT_EQ(failures.count(), 2U);
    EXPECT_EQ(failures.result().error().message(), "no permission");
}

TEST(Failures, OfThousandsStayReadable) {
    Failures failures;
    for (int number = 0; number < 5000; ++number) {
        failures.note(Error("pod " + std::to_string(number)));
    }
    EXPECT_EQ(failures.count(), 5000U);
    const std::string message = failures.result().error().message();
    EXPECT_NE(message.find("pod 0; pod 1; "), std::string::npos) << message;
    EXPECT_NE(message.find("; and 4984 more"), std::string::npos) << message;
    EXPECT_LT(message.size(), 400U);
}

}  // namespace
}  // namespace fsm
