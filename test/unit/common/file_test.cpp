#include "common/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <iterator>

namespace fsm {
namespace {

class File : public ::testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/fsm-file-test-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        directory_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    std::string path(const std::string& name) const { return directory_ + "/" + name; }
    std::size_t files() const {
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator(directory_),
                          std::filesystem::directory_iterator()));
    }

    std::string directory_;
};

TEST_F(File, ReadsWhatWasWritten) {
    ASSERT_TRUE(write_file_atomically(path("a"), "text", 0640));
    const auto content = read_file(path("a"), 100);
    ASSERT_TRUE(content);
    EXPECT_EQ(*content, "text");
    struct stat info {};
    ASSERT_EQ(stat(path("a").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0640U);
    EXPECT_EQ(files(), 1U) << "a temporary file is left";
}

TEST_F(File, ReplacesAFileWhole) {
    ASSERT_TRUE(write_file_atomically(path("a"), std::string(100000, 'x'), 0600));
    ASSERT_TRUE(write_file_atomically(path("a"), "y", 0600));
    EXPECT_EQ(*read_file(path("a"), 10), "y");
}

TEST_F(File, RefusesMoreThanTheLimit) {
    ASSERT_TRUE(write_file_atomically(path("a"), "12345", 0600));
    EXPECT_TRUE(read_file(path("a"), 5));
    const auto content = read_file(path("a"), 4);
    ASSERT_FALSE(content);
    EXPECT_EQ(content.error().errno_value(), EFBIG);
}

TEST_F(File, SaysWhatFailedOnWhichPath) {
    const auto content = read_file(path("none"), 10);
    ASSERT_FALSE(content);
    EXPECT_EQ(content.error().message(), "open " + path("none") + ": No such file or directory");
    const auto written = write_file_atomically(path("none/a"), "", 0600);
    ASSERT_FALSE(written);
    EXPECT_NE(written.error().message().find(path("none/a")), std::string::npos);
}

TEST_F(File, AFailedWriteLeavesTheOldFileAndNoOther) {
    ASSERT_TRUE(make_directories(path("a"), 0755));
    EXPECT_FALSE(write_file_atomically(path("a"), "x", 0600)) << "renamed over a directory";
    EXPECT_EQ(files(), 1U);
}

TEST_F(File, MakesEveryDirectoryOnTheWay) {
    ASSERT_TRUE(make_directories(path("a/b/c"), 0755));
    EXPECT_TRUE(std::filesystem::is_directory(path("a/b/c")));
    EXPECT_TRUE(make_directories(path("a/b/c"), 0755)) << "again";
    ASSERT_TRUE(write_file_atomically(path("f"), "", 0600));
    EXPECT_FALSE(make_directories(path("f"), 0755)) << "a file is there";
    EXPECT_FALSE(make_directories(path("f/g"), 0755));
}

}  // namespace
}  // namespace fsm
