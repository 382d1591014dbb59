// Needs root: creates real namespaces.
#include "common/netns.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <thread>

namespace fsm {
namespace {

// A namespace that exists as long as this object, at its own path.
class MadeNetns {
  public:
    MadeNetns() {
        char name[] = "/tmp/fsm-netns-test-XXXXXX";
        const int fd = mkstemp(name);
        close(fd);
        path_ = name;
        std::thread([this] {
            made_ = unshare(CLONE_NEWNET) == 0 && mount("/proc/thread-self/ns/net", path_.c_str(),
                                                        nullptr, MS_BIND, nullptr) == 0;
        }).join();
    }
    ~MadeNetns() {
        umount2(path_.c_str(), MNT_DETACH);
        unlink(path_.c_str());
    }
    MadeNetns(const MadeNetns&) = delete;
    MadeNetns& operator=(const MadeNetns&) = delete;

    const std::string& path() const { return path_; }
    bool made() const { return made_; }

  private:
    std::string path_;
    bool made_ = false;
};

TEST(Netns, RunsInsideAndLeavesTheCallerWhereItIs) {
    const MadeNetns made;
    ASSERT_TRUE(made.made()) << "this test needs root";
    const auto before = Netns::current();
    const auto netns = Netns::open(made.path());
    ASSERT_TRUE(before);
    ASSERT_TRUE(netns) << netns.error().message();
    NetnsIdentity inside;
    ASSERT_TRUE(netns->run([&] { inside = Netns::current()->identity(); }));
    EXPECT_EQ(inside, netns->identity());
    EXPECT_NE(inside, before->identity());
    EXPECT_EQ(Netns::current()->identity(), before->identity());
}

// From here on the kernel has no such option for this thread, as before Linux 5.14.
bool take_cookies_away() {
    constexpr unsigned kCookieOption = 71;
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsockopt, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kCookieOption, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter = {sizeof(program) / sizeof(program[0]), program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(Netns, AKernelWithoutCookiesGivesOneForEachNamespaceThatLives) {
    const MadeNetns one;
    const MadeNetns other;
    std::thread([&] {
        ASSERT_TRUE(take_cookies_away());
        const auto first = Netns::open(one.path())->cookie();
        const auto again = Netns::open(one.path())->cookie();
        const auto second = Netns::open(other.path())->cookie();
        ASSERT_TRUE(first && again && second);
        EXPECT_EQ(*first, *again);
        EXPECT_NE(*first, *second);
    }).join();
}

TEST(Netns, CookiesDifferAndStay) {
    const MadeNetns one;
    const MadeNetns two;
    ASSERT_TRUE(one.made() && two.made()) << "this test needs root";
    const auto first = Netns::open(one.path())->cookie();
    const auto again = Netns::open(one.path())->cookie();
    const auto other = Netns::open(two.path())->cookie();
    ASSERT_TRUE(first && again && other);
    EXPECT_EQ(*first, *again);
    EXPECT_NE(*first, *other);
    EXPECT_NE(*first, 0U);
}

TEST(Netns, RefusesWhatIsNone) {
    const std::string fifo = "/tmp/fsm-netns-test-fifo-" + std::to_string(getpid());
    ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
    for (const std::string& path :
         {std::string("/proc/self/ns/mnt"), std::string("/dev/null"), std::string("/tmp"), fifo}) {
        const auto netns = Netns::open(path);
        ASSERT_FALSE(netns) << path;
        EXPECT_EQ(netns.error().message(), path + " is not a network namespace");
    }
    unlink(fifo.c_str());
    EXPECT_FALSE(Netns::open("/run/netns/there-is-none"));
}

}  // namespace
}  // namespace fsm
