#include "interceptor/sync/user_namespace.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "test/unit/sync/test_netns.h"

namespace fsm::testing {

namespace {

// A child process with a user namespace, mapped from 500000 on, and a network namespace: one that
// the user namespace owns, or one that existed before.
class ShiftedProcess {
  public:
    explicit ShiftedProcess(const std::string& existing_netns) {
        int ready[2];
        int mapped[2];
        EXPECT_EQ(pipe(ready), 0);
        EXPECT_EQ(pipe(mapped), 0);
        pid_ = fork();
        if (pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            live(existing_netns, ready[1], mapped[0]);
        }
        char byte = 0;
        EXPECT_EQ(read(ready[0], &byte, 1), 1);
        for (const char* file : {"uid_map", "gid_map"}) {
            std::ofstream("/proc/" + std::to_string(pid_) + "/" + file) << "0 500000 65536\n";
        }
        for (const int end : {ready[0], ready[1], mapped[0], mapped[1]}) {
            close(end);
        }
    }
    ~ShiftedProcess() {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    std::string netns() const { return "/proc/" + std::to_string(pid_) + "/ns/net"; }

  private:
    [[noreturn]] static void live(const std::string& existing_netns, int ready, int) {
        if (existing_netns.empty()) {
            if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
                _exit(1);
            }
        } else {
            const auto netns = Netns::open(existing_netns);
            if (!netns || setns(netns->fd().get(), CLONE_NEWNET) != 0 ||
                unshare(CLONE_NEWUSER) != 0) {
                _exit(1);
            }
        }
        if (write(ready, "x", 1) != 1) {
            _exit(1);
        }
        while (true) {
            pause();
        }
    }

    pid_t pid_ = 0;
};

TEST(UserNamespace, TranslatesByTheOwnerOfTheNetworkNamespace) {
    const ShiftedProcess process("");
    const auto netns = Netns::open(process.netns());
    ASSERT_TRUE(netns);
    const auto uid = host_id(*netns, "/nowhere", IdKind::user, 1500);
    ASSERT_TRUE(uid) << uid.error().message();
    EXPECT_EQ(*uid, 501500U);
    EXPECT_EQ(*host_id(*netns, "/nowhere", IdKind::group, 7), 500007U);
    EXPECT_FALSE(host_id(*netns, "/nowhere", IdKind::user, 70000));
}

TEST(UserNamespace, TranslatesByAProcessInTheNetworkNamespace) {
    const TestNetns host_owned;
    const auto netns = Netns::open(host_owned.path());
    ASSERT_TRUE(netns);
    EXPECT_FALSE(host_id(*netns, "/proc", IdKind::user, 1500)) << "no process is there yet";
    const ShiftedProcess process(host_owned.path());
    const auto uid = host_id(*netns, "/proc", IdKind::user, 1500);
    ASSERT_TRUE(uid) << uid.error().message();
    EXPECT_EQ(*uid, 501500U);
}

TEST(UserNamespace, ReadsMapsOfSeveralRanges) {
    const std::string map = "         0     100000       1000\n      1500     200000          1\n";
    EXPECT_EQ(*translate_id(map, 999), 100999U);
    EXPECT_EQ(*translate_id(map, 1500), 200000U);
    EXPECT_FALSE(translate_id(map, 1000));
    EXPECT_FALSE(translate_id("", 0));
    EXPECT_FALSE(translate_id("garbage", 0));
}

}  // namespace

}  // namespace fsm::testing
