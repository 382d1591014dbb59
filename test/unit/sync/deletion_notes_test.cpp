#include "interceptor/sync/deletion_notes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "test/unit/sync/test_netns.h"

namespace fsm::testing {

namespace {

DeletionNotes::Lock locked_by(KeyedMutex<std::string>& locks) {
    return [&](const cni::DeletionNote& note) { return locks.lock_all({note.key.container_id}); };
}

TEST(DeletionNotes, HandsOverWhatThePluginWrote) {
    const TestDirectory directory;
    KeyedMutex<std::string> locks;
    const auto notes = DeletionNotes::open(directory.path());
    ASSERT_TRUE(notes);
    std::ofstream(directory.path() + "/c1-eth0.json")
        << R"({"ContainerID":"c1","IfName":"eth0","Netns":"/run/netns/x","Network":"net"})";
    std::vector<cni::DeletionNote> seen;
    const auto problems = notes->consume(locked_by(locks), [&](const cni::DeletionNote& request) {
        seen.push_back(request);
        return true;
    });
    EXPECT_TRUE(problems.empty());
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].key, (cni::AttachmentKey{"c1", "eth0", "net"}));
    EXPECT_EQ(seen[0].netns, "/run/netns/x");
    EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(DeletionNotes, LeaveANoteThatIsBeingWrittenAlone) {
    const TestDirectory directory;
    KeyedMutex<std::string> locks;
    const auto notes = DeletionNotes::open(directory.path());
    ASSERT_TRUE(notes);
    const std::string hidden = directory.path() + "/.c1-eth0.json.Ab12Cd";
    std::ofstream{hidden} << "{";
    const auto nothing = [](const cni::DeletionNote&) { return true; };
    EXPECT_TRUE(notes->consume(locked_by(locks), nothing).empty());
    EXPECT_TRUE(std::filesystem::exists(hidden));
    const timespec old[2] = {{1, 0}, {1, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, hidden.c_str(), old, 0), 0);
    EXPECT_EQ(notes->consume(locked_by(locks), nothing).size(), 1U);
    EXPECT_FALSE(std::filesystem::exists(hidden));
}

TEST(DeletionNotes, ALostDirectoryIsReported) {
    const TestDirectory directory;
    KeyedMutex<std::string> locks;
    const auto notes = DeletionNotes::open(directory.path() + "/d");
    ASSERT_TRUE(notes);
    std::filesystem::remove_all(directory.path() + "/d");
    EXPECT_EQ(
        notes->consume(locked_by(locks), [](const cni::DeletionNote&) { return true; }).size(), 1U);
}

// ADD removes the note and enrols while the reconciler, which has read the note, waits for the
// container's lock.
TEST(DeletionNotes, DoNotUndoAnAddThatTookTheNoteBack) {
    const TestDirectory directory;
    KeyedMutex<std::string> locks;
    const auto notes = DeletionNotes::open(directory.path());
    ASSERT_TRUE(notes);
    const std::string note = directory.path() + "/c1-eth0.json";
    std::ofstream(note) << R"({"ContainerID":"c1","IfName":"eth0","Netns":""})";
    std::atomic<bool> withdrawn = false;
    std::vector<std::string> problems;
    std::thread reconciler;
    {
        const auto add = locks.lock("c1");
        reconciler = std::thread([&] {
            problems = notes->consume(locked_by(locks), [&](const cni::DeletionNote&) {
                withdrawn = true;
                return true;
            });
        });
        std::this_thread::sleep_for(std::chrono::milliseconds(100));  // until it has read the note
        std::filesystem::remove(note);
    }
    reconciler.join();
    EXPECT_FALSE(withdrawn);
    EXPECT_TRUE(problems.empty());
}

}  // namespace

}  // namespace fsm::testing
