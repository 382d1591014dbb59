#include "cni-plugin/deletion_note.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/file.h"
#include "test/unit/cni-plugin/temporary_directory.h"

namespace fsm {
namespace {

constexpr std::size_t kNoteLimit = 4096;

class DeletionNoteTest : public testing::Test {
  protected:
    std::string note_path(const std::string& name) const { return state_dir_ + "/deleted/" + name; }

    test::TemporaryDirectory directory_;
    std::string state_dir_ = directory_.path() + "/run/fsm";  // does not exist
};

TEST_F(DeletionNoteTest, is_a_file_named_after_the_attachment) {
    ASSERT_TRUE(write_deletion_note(state_dir_, {"abc123", "eth0", "/run/netns/x"}));
    const auto content = read_file(note_path("abc123-eth0.json"), kNoteLimit);
    ASSERT_TRUE(content);
    EXPECT_EQ(
        nlohmann::json::parse(*content),
        nlohmann::json({{"ContainerID", "abc123"}, {"IfName", "eth0"}, {"Netns", "/run/netns/x"}}));
}

TEST_F(DeletionNoteTest, is_for_its_owner_only) {
    ASSERT_TRUE(write_deletion_note(state_dir_, {"abc", "eth0", ""}));
    struct stat info {};
    ASSERT_EQ(stat(note_path("abc-eth0.json").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0600U);
}

TEST_F(DeletionNoteTest, replaces_an_earlier_one_and_leaves_no_other_file) {
    ASSERT_TRUE(write_deletion_note(state_dir_, {"abc", "eth0", "/old"}));
    ASSERT_TRUE(write_deletion_note(state_dir_, {"abc", "eth0", "/new"}));
    const auto content = read_file(note_path("abc-eth0.json"), kNoteLimit);
    ASSERT_TRUE(content);
    EXPECT_NE(content->find("/new"), std::string::npos);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(state_dir_ + "/deleted"), {}), 1);
}

TEST_F(DeletionNoteTest, says_which_directory_it_cannot_make) {
    const std::string file = directory_.path() + "/file";
    ASSERT_TRUE(write_file_atomically(file, "x", 0600));
    const auto written = write_deletion_note(file, {"abc", "eth0", ""});
    ASSERT_FALSE(written);
    EXPECT_NE(written.error().message().find(file), std::string::npos) << written.error().message();
}

TEST_F(DeletionNoteTest, says_that_a_name_is_too_long_for_a_file) {
    const auto written = write_deletion_note(state_dir_, {std::string(300, 'a'), "eth0", ""});
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().errno_value(), ENAMETOOLONG);
}

TEST_F(DeletionNoteTest, withdrawing_removes_only_the_note_of_the_attachment) {
    ASSERT_TRUE(write_deletion_note(state_dir_, {"abc", "eth0", ""}));
    ASSERT_TRUE(write_deletion_note(state_dir_, {"abc", "net1", ""}));
    ASSERT_TRUE(withdraw_deletion_note(state_dir_, "abc", "eth0"));
    EXPECT_FALSE(std::filesystem::exists(note_path("abc-eth0.json")));
    EXPECT_TRUE(std::filesystem::exists(note_path("abc-net1.json")));
}

TEST_F(DeletionNoteTest, withdrawing_what_is_not_there_is_no_error) {
    EXPECT_TRUE(withdraw_deletion_note(state_dir_, "abc", "eth0"));
}

TEST_F(DeletionNoteTest, withdrawing_reports_what_cannot_be_removed) {
    std::filesystem::create_directories(note_path("abc-eth0.json") + "/inside");
    const auto withdrawn = withdraw_deletion_note(state_dir_, "abc", "eth0");
    ASSERT_FALSE(withdrawn);
    EXPECT_EQ(withdrawn.error().errno_value(), EISDIR);
}

}  // namespace
}  // namespace fsm
