#include "interceptor/api/unix_listener.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include "test/unit/sync/test_netns.h"

namespace fsm::testing {

namespace {

TEST(UnixListener, IsForRootOnlyAndGoesWithItsOwner) {
    const TestDirectory directory;
    const std::string path = directory.path() + "/s";
    {
        const auto listener = UnixListener::open(path);
        ASSERT_TRUE(listener) << listener.error().message();
        struct stat info {};
        ASSERT_EQ(lstat(path.c_str(), &info), 0);
        EXPECT_EQ(info.st_mode & 0777U, 0600U);
        EXPECT_EQ(info.st_uid, 0U);
        EXPECT_TRUE(connect_unix(path, 1));
    }
    EXPECT_NE(access(path.c_str(), F_OK), 0);
}

TEST(UnixListener, ReplacesTheSocketOfADeadProcess) {
    const TestDirectory directory;
    const std::string path = directory.path() + "/s";
    const std::string kept = directory.path() + "/kept";
    {
        const auto listener = UnixListener::open(path);
        ASSERT_TRUE(listener);
        ASSERT_EQ(rename(path.c_str(), kept.c_str()), 0);
    }
    ASSERT_EQ(rename(kept.c_str(), path.c_str()), 0);
    EXPECT_FALSE(connect_unix(path, 1));
    EXPECT_TRUE(UnixListener::open(path));
}

TEST(UnixListener, ALivingOneIsAnErrorThatNamesIt) {
    const TestDirectory directory;
    const std::string path = directory.path() + "/s";
    const auto first = UnixListener::open(path);
    ASSERT_TRUE(first);
    const auto second = UnixListener::open(path);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message().find("pid " + std::to_string(getpid())), std::string::npos)
        << second.error().message();
    EXPECT_TRUE(connect_unix(path, 1)) << "the first one still listens";
}

TEST(UnixListener, AFileThatIsNoSocketStays) {
    const TestDirectory directory;
    const std::string path = directory.path() + "/s";
    std::ofstream{path} << "precious";
    EXPECT_FALSE(UnixListener::open(path));
    EXPECT_EQ(access(path.c_str(), F_OK), 0);
    EXPECT_FALSE(UnixListener::open(directory.path() + "/" + std::string(200, 'x')));
    EXPECT_FALSE(UnixListener::open(""));
    EXPECT_FALSE(UnixListener::open(directory.path() + "/none/s"));
}

TEST(UnixListener, SomebodyElsesSocketAtItsPathStays) {
    const TestDirectory directory;
    const std::string path = directory.path() + "/s";
    std::optional<UnixListener> successor;
    {
        const auto listener = UnixListener::open(path);
        ASSERT_TRUE(listener);
        unlink(path.c_str());
        auto opened = UnixListener::open(path);
        ASSERT_TRUE(opened);
        successor.emplace(std::move(*opened));
    }
    EXPECT_TRUE(connect_unix(path, 1));
}

}  // namespace

}  // namespace fsm::testing
