#include "common/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace fsm {
namespace {

bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

Fd open_null() {
    return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

TEST(Fd, ClosesWhatItOwns) {
    int number = -1;
    {
        const Fd fd = open_null();
        number = fd.get();
        ASSERT_TRUE(is_open(number));
    }
    EXPECT_FALSE(is_open(number));
}

TEST(Fd, MoveAssignmentClosesTheOldDescriptor) {
    Fd target = open_null();
    Fd source = open_null();
    const int old_number = target.get();
    const int new_number = source.get();
    target = std::move(source);
    EXPECT_FALSE(is_open(old_number));
    EXPECT_TRUE(is_open(new_number));
    EXPECT_EQ(target.get(), new_number);
}

TEST(Fd, AssignmentToItselfKeepsTheDescriptor) {
    Fd fd = open_null();
    Fd& same = fd;
    fd = std::move(same);
    EXPECT_TRUE(is_open(fd.get()));
}

TEST(Fd, ReleaseGivesTheDescriptorAway) {
    Fd fd = open_null();
    const int number = fd.release();
    EXPECT_FALSE(fd);
    EXPECT_TRUE(is_open(number));
    ::close(number);
}

}  // namespace
}  // namespace fsm
