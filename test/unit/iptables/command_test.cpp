#include "interceptor/iptables/command.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <optional>

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

TEST(Command, OneThatClosesItsDescriptorsIsKilledAllTheSame) {
    const auto began = std::chrono::steady_clock::now();
    const auto output =
        run_command({"/bin/sh", "-c", "exec 3>&-; sleep 60"}, "", std::chrono::milliseconds(200));
    ASSERT_FALSE(output);
    EXPECT_NE(output.error().message().find("not ready after 200 ms"), std::string::npos);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

TEST(Command, OneThatClosesItsDescriptorsAndEndsInTimeIsAsked) {
    const auto output =
        run_command({"/bin/sh", "-c", "exec 3>&-; sleep 0.2; echo done"}, "", kLong);
    ASSERT_TRUE(output) << output.error().message();
    EXPECT_EQ(*output, "done\n");
}

// The process that it leaves has all descriptors of its parent.
TEST(Command, WhatAProgramLeavesBehindIsNotWaitedFor) {
    const auto began = std::chrono::steady_clock::now();
    const auto output = run_command({"/bin/sh", "-c", "sleep 20 & echo $!"}, "", kLong);
    ASSERT_TRUE(output) << output.error().message();
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
    kill(std::stoi(*output), SIGKILL);
}

// Sets a variable, and restores it.
class Variable {
  public:
    Variable(const char* name, const char* value) : name_(name) {
        if (const char* present = getenv(name)) {
            before_ = present;
        }
        value == nullptr ? unsetenv(name) : setenv(name, value, 1);
    }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;
    ~Variable() { before_ ? setenv(name_, before_->c_str(), 1) : unsetenv(name_); }

  private:
    const char* name_;
    std::optional<std::string> before_;
};

TEST(Command, ItsEnvironmentIsPathAlone) {
    const Variable lock_file("XTABLES_LOCKFILE", nullptr);
    const auto output = run_command({"/usr/bin/env"}, "", kLong);
    ASSERT_TRUE(output);
    EXPECT_TRUE(output->starts_with("PATH="));
    EXPECT_EQ(output->find('\n'), output->size() - 1);
}

TEST(Command, ItIsToldWhereTheLockIs) {
    const Variable lock_file("XTABLES_LOCKFILE", "/host/var/run/xtables.lock");
    const auto output = run_command({"/usr/bin/env"}, "", kLong);
    ASSERT_TRUE(output);
    EXPECT_NE(output->find("\nXTABLES_LOCKFILE=/host/var/run/xtables.lock\n"), std::string::npos)
        << *output;
}

TEST(Command, ProgramsAreFoundInPath) {
    EXPECT_EQ(find_program("cat").substr(find_program("cat").rfind('/')), "/cat");
    EXPECT_EQ(find_program("no-such-program"), "");
}

}  // namespace
}  // namespace fsm
