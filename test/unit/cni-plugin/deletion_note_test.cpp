#include "cni-plugin/deletion_note.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/file.h"
#include "test/unit/cni-plugin/temporary_directory.h"

namespace fsm::plugin {
namespace {

constexpr std::size_t kNoteLimit = 4096;

class DeletionNoteTest : public testing::Test {
  protected:
    std::string note_path(const cni::AttachmentKey& key) const {
        return state_dir_ + "/deleted/" + cni::file_stem(key) + ".json";
    }

    test::TemporaryDirectory directory_;
    std::string state_dir_ = directory_.path() + "/run/fsm";  // does not exist
};

TEST_F(DeletionNoteTest, is_a_file_named_after_the_attachment) {
    ASSERT_TRUE(write_deletion_note(state_dir_, {{"abc123", "eth0", "net"}, "/run/netns/x"}));
    const auto content = read_file(note_path({"abc123", "eth0", "net"}), kNoteLimit);
    ASSERT_TRUE(content);
    EXPECT_EQ(nlohmann::json::parse(*content), nlohmann::json({{"ContainerID", "abc123"},
                                                               {"IfName", "eth0"},
                                                               {"Netns", "/run/netns/x"},
                                                               {"Network", "net"}}));
}

TEST_F(DeletionNoteTest, is_for_its_owner_only) {
    ASSERT_TRUE(write_deletion_note(state_dir_, {{"abc", "eth0", "net"}, ""}));
    struct stat info {};
    ASSERT_EQ(stat(note_path({"abc", "eth0", "net"}).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0600U);
}

TEST_F(DeletionNoteTest, replaces_an_earlier_one_and_leaves_no_other_file) {
    ASSERT_TRUE(write_deletion_note(state_dir_, {{"abc", "eth0", "net"}, "/old"}));
    ASSERT_TRUE(write_deletion_note(state_dir_, {{"abc", "eth0", "net"}, "/new"}));
    const auto content = read_file(note_path({"abc", "eth0", "net"}), kNoteLimit);
    ASSERT_TRUE(content);
    EXPECT_NE(content->find("/new"), std::string::npos);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(state_dir_ + "/deleted"), {}), 1);
}

TEST_F(DeletionNoteTest, says_which_directory_it_cannot_make) {
    const std::string file = directory_.path() + "/file";
    ASSERT_TRUE(write_file_atomically(file, "x", 0600));
    const auto written = write_deletion_note(file, {{"abc", "eth0", "net"}, ""});
    ASSERT_FALSE(written);
    EXPECT_NE(written.error().message().find(file), std::string::npos) << written.error().message();
}

TEST_F(DeletionNoteTest, is_left_for_ids_and_networks_of_any_length) {
    const std::string longest(100000, 'a');
    const cni::AttachmentKey key = {longest + "1", "eth0", longest};
    const cni::AttachmentKey other = {longest + "2", "eth0", longest};
    ASSERT_TRUE(write_deletion_note(state_dir_, {key, ""}));
    ASSERT_TRUE(write_deletion_note(state_dir_, {other, ""}));
    const auto content = read_file(note_path(key), 1000000);
    ASSERT_TRUE(content);
    const auto note = cni::parse_deletion_note(*content);
    ASSERT_TRUE(note) << note.error().message();
    EXPECT_EQ(note->key, key);
    ASSERT_TRUE(withdraw_deletion_note(state_dir_, key));
    EXPECT_FALSE(std::filesystem::exists(note_path(key)));
    EXPECT_TRUE(std::filesystem::exists(note_path(other)));
}

TEST_F(DeletionNoteTest, of_an_earlier_plugin_is_withdrawn_whatever_the_network) {
    std::filesystem::create_directories(state_dir_ + "/deleted");
    const std::string former = state_dir_ + "/deleted/abc-eth0.json";
    ASSERT_TRUE(write_file_atomically(former, "{}", 0600));
    ASSERT_TRUE(withdraw_deletion_note(state_dir_, {"abc", "eth0", "net"}));
    EXPECT_FALSE(std::filesystem::exists(former));
}

TEST_F(DeletionNoteTest, of_another_network_stays) {
    ASSERT_TRUE(write_deletion_note(state_dir_, {{"abc", "eth0", "other"}, ""}));
    ASSERT_TRUE(withdraw_deletion_note(state_dir_, {"abc", "eth0", "net"}));
    EXPECT_TRUE(std::filesystem::exists(note_path({"abc", "eth0", "other"})));
}

TEST_F(DeletionNoteTest, withdrawing_removes_only_the_note_of_the_attachment) {
    ASSERT_TRUE(write_deletion_note(state_dir_, {{"abc", "eth0", "net"}, ""}));
    ASSERT_TRUE(write_deletion_note(state_dir_, {{"abc", "net1", "net"}, ""}));
    ASSERT_TRUE(withdraw_deletion_note(state_dir_, {"abc", "eth0", "net"}));
    EXPECT_FALSE(std::filesystem::exists(note_path({"abc", "eth0", "net"})));
    EXPECT_TRUE(std::filesystem::exists(note_path({"abc", "net1", "net"})));
}

TEST_F(DeletionNoteTest, withdrawing_what_is_not_there_is_no_error) {
    EXPECT_TRUE(withdraw_deletion_note(state_dir_, {"abc", "eth0", "net"}));
}

TEST_F(DeletionNoteTest, withdrawing_reports_what_cannot_be_removed) {
    std::filesystem::create_directories(note_path({"abc", "eth0", "net"}) + "/inside");
    const auto withdrawn = withdraw_deletion_note(state_dir_, {"abc", "eth0", "net"});
    ASSERT_FALSE(withdrawn);
    EXPECT_EQ(withdrawn.error().errno_value(), EISDIR);
}

}  // namespace
}  // namespace fsm::plugin
