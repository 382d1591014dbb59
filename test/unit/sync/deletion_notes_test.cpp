#include "interceptor/sync/deletion_notes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "test/unit/sync/test_netns.h"

namespace fsm::testing {

namespace {

TEST(DeletionNotes, HandsOverWhatThePluginWrote) {
    const TestDirectory directory;
    const auto notes = DeletionNotes::open(directory.path());
    ASSERT_TRUE(notes);
    std::ofstream(directory.path() + "/c1-eth0.json")
        << R"({"ContainerID":"c1","IfName":"eth0","Netns":"/run/netns/x"})";
    std::vector<CniRequest> seen;
    const auto problems = notes->consume([&](const CniRequest& request) {
        seen.push_back(request);
        return true;
    });
    EXPECT_TRUE(problems.empty());
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].key, (AttachmentKey{"c1", "eth0"}));
    EXPECT_EQ(seen[0].netns, "/run/netns/x");
    EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(DeletionNotes, LeaveANoteThatIsBeingWrittenAlone) {
    const TestDirectory directory;
    const auto notes = DeletionNotes::open(directory.path());
    ASSERT_TRUE(notes);
    const std::string hidden = directory.path() + "/.c1-eth0.json.Ab12Cd";
    std::ofstream{hidden} << "{";
    const auto nothing = [](const CniRequest&) { return true; };
    EXPECT_TRUE(notes->consume(nothing).empty());
    EXPECT_TRUE(std::filesystem::exists(hidden));
    const timespec old[2] = {{1, 0}, {1, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, hidden.c_str(), old, 0), 0);
    EXPECT_EQ(notes->consume(nothing).size(), 1U);
    EXPECT_FALSE(std::filesystem::exists(hidden));
}

TEST(DeletionNotes, ALostDirectoryIsReported) {
    const TestDirectory directory;
    const auto notes = DeletionNotes::open(directory.path() + "/d");
    ASSERT_TRUE(notes);
    std::filesystem::remove_all(directory.path() + "/d");
    EXPECT_EQ(notes->consume([](const CniRequest&) { return true; }).size(), 1U);
}

}  // namespace

}  // namespace fsm::testing
