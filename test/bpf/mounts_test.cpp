#include "interceptor/datapath/mounts.h"
#include "interceptor/interception/mount_table.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace fsm::test {
namespace {

TEST(Mountinfo, ReadsRootPointAndType) {
    const auto mounts = parse_mountinfo(
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
        "38 31 0:37 / /sys/fs/cgroup/unified rw master:7 propagate_from:2 - cgroup2 none rw\n"
        "90 31 0:4 net:[4026532190] /run/netns/x rw shared:3 - nsfs nsfs rw\n");
    ASSERT_EQ(mounts.size(), 3U);
    EXPECT_EQ(mounts[1].type, "cgroup2");
    EXPECT_EQ(mounts[1].point, "/sys/fs/cgroup/unified");
    EXPECT_EQ(mounts[2].root, "net:[4026532190]");
}

TEST(Mountinfo, ResolvesEscapesInPaths) {
    const auto mounts = parse_mountinfo("1 2 0:1 / /a\\040b\\134c rw - bpf bpf rw\n");
    ASSERT_EQ(mounts.size(), 1U);
    EXPECT_EQ(mounts[0].point, "/a b\\c");
}

TEST(Mountinfo, LeavesOutLinesThatAreCutShort) {
    EXPECT_TRUE(parse_mountinfo("1 2 0:1 / /a rw\n\n1 2\n1 2 0:1 / /a rw -\n").empty());
}

TEST(Bpffs, OfTheNodeIsNotMadeByAContainer) {
    std::string folder = "/tmp/fsm-no-bpffs-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    const auto answer = require_bpffs(folder);
    ASSERT_FALSE(answer);
    EXPECT_NE(answer.error().message().find("mount it on the node"), std::string::npos);
    EXPECT_FALSE(require_bpffs(folder + "/nowhere"));
    EXPECT_EQ(rmdir(folder.c_str()), 0);
}

}  // namespace
}  // namespace fsm::test
