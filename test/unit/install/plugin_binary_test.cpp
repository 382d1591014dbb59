#include "interceptor/install/plugin_binary.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "test/unit/install/config_directory.h"

namespace fsm {
namespace {

class PluginBinary : public ::testing::Test {
  protected:
    void SetUp() override { directory.put("source", "ELF one", 0700); }

    bool install() const {
        const auto copied = install_plugin(directory.path("source"), bin);
        EXPECT_TRUE(copied) << copied.error().message();
        return copied && *copied;
    }

    testing::ConfigDirectory directory;
    std::string bin = directory.path("opt/cni/bin");
};

TEST_F(PluginBinary, is_copied_once_into_a_directory_that_is_made) {
    EXPECT_TRUE(install());
    EXPECT_EQ(directory.get("opt/cni/bin/fsm-cni"), "ELF one");
    EXPECT_EQ(directory.mode_of("opt/cni/bin/fsm-cni"), 0755U);
    EXPECT_FALSE(install());
}

TEST_F(PluginBinary, is_copied_again_when_content_or_mode_differ) {
    install();
    directory.put("source", "ELF two");
    EXPECT_TRUE(install());
    EXPECT_EQ(directory.get("opt/cni/bin/fsm-cni"), "ELF two");
    chmod((bin + "/fsm-cni").c_str(), 0644);
    EXPECT_TRUE(install());
    EXPECT_EQ(directory.mode_of("opt/cni/bin/fsm-cni"), 0755U);
}

TEST_F(PluginBinary, replaces_a_link_and_not_what_it_leads_to) {
    std::filesystem::create_directories(bin);
    directory.put("other", "ELF one", 0755);
    std::filesystem::create_symlink(directory.path("other"), bin + "/fsm-cni");
    EXPECT_TRUE(install());
    EXPECT_FALSE(std::filesystem::is_symlink(bin + "/fsm-cni"));
}

TEST_F(PluginBinary, says_which_source_is_missing) {
    const auto copied = install_plugin(directory.path("none"), bin);
    ASSERT_FALSE(copied);
    EXPECT_NE(copied.error().message().find(directory.path("none")), std::string::npos);
}

TEST_F(PluginBinary, goes_with_what_an_interrupted_copy_left) {
    install();
    directory.put("opt/cni/bin/.fsm-cni.fsm-new", "half");
    directory.put("opt/cni/bin/bridge", "another plugin");
    for (int times = 0; times < 2; ++times) {
        const auto removed = remove_plugin(bin);
        EXPECT_TRUE(removed) << removed.error().message();
    }
    EXPECT_TRUE(std::filesystem::exists(bin + "/bridge"));
    std::filesystem::remove(bin + "/bridge");
    EXPECT_TRUE(std::filesystem::is_empty(bin));
}

}  // namespace
}  // namespace fsm
