#include "common/directory_watch.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "common/file.h"

namespace fsm {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kNever = 30s;

class DirectoryWatching : public ::testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/fsm-watch-test-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        directory_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    // How long wait() took while `change` happened in parallel.
    template <typename Change>
    static Clock::duration time_of(DirectoryWatch& watch, Change change) {
        const auto began = Clock::now();
        std::thread changer([&] {
            std::this_thread::sleep_for(50ms);
            change();
        });
        watch.wait(kNever);
        changer.join();
        return Clock::now() - began;
    }

    std::string directory_;
};

TEST_F(DirectoryWatching, WakesForAFileThatIsRenamedIntoPlaceAndForOneThatGoes) {
    auto watch = DirectoryWatch::make(directory_);
    ASSERT_TRUE(watch);
    watch->wait(1ms);
    EXPECT_LT(
        time_of(*watch, [&] { ASSERT_TRUE(write_file_atomically(directory_ + "/a", "1", 0600)); }),
        kNever);
    EXPECT_LT(time_of(*watch, [&] { std::filesystem::remove(directory_ + "/a"); }), kNever);
}

TEST_F(DirectoryWatching, WakesWhenItIsToldTo) {
    auto watch = DirectoryWatch::make(directory_);
    ASSERT_TRUE(watch);
    watch->wait(1ms);
    EXPECT_LT(time_of(*watch, [&] { watch->wake(); }), kNever);
}

TEST_F(DirectoryWatching, FollowsADirectoryThatComesLater) {
    const std::string later = directory_ + "/later";
    auto watch = DirectoryWatch::make(later);
    ASSERT_TRUE(watch);
    watch->wait(1ms);
    std::filesystem::create_directory(later);
    watch->wait(1ms);  // detects that it exists
    EXPECT_LT(time_of(*watch, [&] { ASSERT_TRUE(write_file_atomically(later + "/a", "1", 0600)); }),
              kNever);
}

TEST_F(DirectoryWatching, OneMoreDirectoryIsWatchedAlsoWhenItComesLater) {
    auto watch = DirectoryWatch::make(directory_);
    ASSERT_TRUE(watch);
    const std::string folder = directory_ + "/folder";
    watch->also(folder);
    EXPECT_LT(time_of(*watch, [&] { std::filesystem::create_directory(folder); }), kNever / 2);
    watch->wait(1ms);  // finds the folder
    EXPECT_LT(time_of(*watch, [&] { ASSERT_TRUE(write_file_atomically(folder + "/a", "", 0600)); }),
              kNever / 2);
    watch->also("");
    EXPECT_LT(
        time_of(*watch, [&] { ASSERT_TRUE(write_file_atomically(directory_ + "/b", "", 0600)); }),
        kNever / 2);
}

}  // namespace
}  // namespace fsm
