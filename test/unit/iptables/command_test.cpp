#include "interceptor/iptables/command.h"

#include <gtest/gtest.h>

namespace fsm {
namespace {

constexpr std::chrono::milliseconds kLong{10000};

TEST(Command, ItsOutputIsReturned) {
    const auto output = run_command({"/bin/cat"}, std::string(1 << 20, 'x'), kLong);
    ASSERT_TRUE(output) << output.error().message();
    EXPECT_EQ(output->size(), std::size_t{1} << 20);
}

TEST(Command, AFailureSaysWhatItWroteToStderr) {
    const auto output = run_command({"/bin/cat", "/does/not/exist"}, "", kLong);
    ASSERT_FALSE(output);
    EXPECT_NE(output.error().message().find("/bin/cat: exit status 1: "), std::string::npos);
    EXPECT_NE(output.error().message().find("No such file"), std::string::npos);
}

TEST(Command, AProgramThatIsNotThereIsNamed) {
    const auto output = run_command({"/does/not/exist"}, "", kLong);
    ASSERT_FALSE(output);
    EXPECT_NE(output.error().message().find("start /does/not/exist: "), std::string::npos);
}

TEST(Command, OneThatDoesNotEndIsKilled) {
    const auto began = std::chrono::steady_clock::now();
    const auto output = run_command({"/bin/sleep", "60"}, "", std::chrono::milliseconds(100));
    ASSERT_FALSE(output);
    EXPECT_NE(output.error().message().find("not ready after 100 ms"), std::string::npos);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

TEST(Command, ItsEnvironmentIsPathAlone) {
    const auto output = run_command({"/usr/bin/env"}, "", kLong);
    ASSERT_TRUE(output);
    EXPECT_TRUE(output->starts_with("PATH="));
    EXPECT_EQ(output->find('\n'), output->size() - 1);
}

TEST(Command, ProgramsAreFoundInPath) {
    EXPECT_EQ(find_program("cat").substr(find_program("cat").rfind('/')), "/cat");
    EXPECT_EQ(find_program("no-such-program"), "");
}

}  // namespace
}  // namespace fsm
