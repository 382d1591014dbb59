#include "interceptor/iptables/command.h"

#include <gtest/gtest.h>

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

TEST(Command, OneThatDoesNotEndIsKilled) {
    const auto began = std::chrono::steady_clock::now();
    const auto output = run_command({"/bin/sleep", "60"}, "", std::chrono::milliseconds(100));
    ASSERT_FALSE(output);
    EXPECT_NE(output.error().message().find("not done after 100 ms"), std::string::npos);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
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

}  // namespace
}  // namespace fsm
