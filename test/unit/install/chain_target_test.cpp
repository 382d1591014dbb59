// A configuration that names the file or the network whose chain gets the entry.
#include <gtest/gtest.h>

#include <filesystem>

#include "interceptor/install/chain.h"
#include "interceptor/install/chain_text.h"
#include "interceptor/install/install_options.h"
#include "test/unit/install/config_directory.h"

namespace fsm {
namespace {

const std::string kPodman = R"({"name":"podman","plugins":[{"type":"bridge"}]})";
const std::string kCrio = R"({"name":"crio","plugins":[{"type":"bridge"}]})";
const std::string kRouter = R"({"cniVersion":"0.3.0","name":"mynet","type":"bridge"})";
const std::string kFile = "10-kuberouter.conf";

class Target : public ::testing::Test {
  protected:
    ChainState insert(const std::string& target = "") const {
        auto state = insert_entry(files, entry, {target});
        EXPECT_TRUE(state) << state.error().message();
        return state ? *state : ChainState();
    }
    void remove() const {
        const auto removed = remove_entry(files);
        EXPECT_TRUE(removed) << removed.error().message();
    }
    bool has_fsm(const std::string& name) const { return has_entry(directory.get(name)); }

    testing::ConfigDirectory directory;
    ConfigFiles files{directory.path()};
    std::string entry = chain_entry({});
};

TEST_F(Target, is_the_network_or_the_file_of_that_name) {
    for (const char* target : {"crio", "10-crio.conflist"}) {
        directory.put("00-podman.conflist", kPodman);
        directory.put("10-crio.conflist", kCrio);
        EXPECT_EQ(insert(target).file, "10-crio.conflist");
        EXPECT_TRUE(has_fsm("10-crio.conflist"));
        EXPECT_EQ(directory.get("00-podman.conflist"), kPodman);
    }
}

TEST_F(Target, leaves_the_entry_in_no_other_file) {
    directory.put("00-podman.conflist", kPodman);
    directory.put("10-crio.conflist", kCrio);
    directory.put("20-n.conflist", R"({"name":"n"})");
    directory.put("n/10-a.conf", R"({"type":"a"})");
    const auto before = directory.snapshot();
    insert("n");
    EXPECT_TRUE(std::filesystem::exists(directory.path("n/99-fsm-cni.conf")));
    insert();
    EXPECT_TRUE(has_fsm("00-podman.conflist"));
    insert("crio");
    EXPECT_TRUE(has_fsm("10-crio.conflist"));
    EXPECT_EQ(directory.get("00-podman.conflist"), kPodman);
    EXPECT_FALSE(std::filesystem::exists(directory.path("n/99-fsm-cni.conf")));
    remove();
    EXPECT_EQ(directory.snapshot(), before);
}

TEST_F(Target, that_is_not_there_is_waited_for) {
    directory.put("00-podman.conflist", kPodman);
    for (const char* target : {"crio", "10-crio.conflist", "10-crio.conf"}) {
        EXPECT_EQ(insert(target).file, "");
        EXPECT_EQ(directory.get("00-podman.conflist"), kPodman);
    }
}

TEST_F(Target, a_network_of_a_single_plugin_becomes_a_chain) {
    directory.put(kFile, kRouter);
    EXPECT_EQ(insert("mynet").file, "10-kuberouter.conflist");
    EXPECT_FALSE(std::filesystem::exists(directory.path(kFile)));
}

// kube-router opens it by name, at its start and when the node's pod CIDR changes.
TEST_F(Target, a_single_plugins_file_stays_and_its_chain_is_read_first) {
    directory.put(kFile, kRouter, 0600);
    const auto state = insert(kFile);
    EXPECT_TRUE(state.inserted);
    EXPECT_EQ(state.file, "00-fsm-10-kuberouter.conflist");
    EXPECT_EQ(directory.get(kFile), kRouter);
    EXPECT_EQ(directory.mode_of(state.file), 0600U);
    auto view = testing::runtimes_view(directory);
    EXPECT_EQ(view.error, "");
    EXPECT_EQ(view.chain["name"], "mynet");
    EXPECT_TRUE(view.has_fsm());
    EXPECT_FALSE(insert(kFile).inserted);

    const std::string changed =
        R"({"name":"mynet","type":"bridge","ipam":{"subnet":"10.1.0.0/24"}})";
    directory.put(kFile, changed);
    EXPECT_FALSE(insert(kFile).inserted) << "the entry was there all the time";
    view = testing::runtimes_view(directory);
    EXPECT_EQ(view.chain["plugins"][0]["ipam"]["subnet"], "10.1.0.0/24");
    EXPECT_TRUE(view.has_fsm());

    directory.put(kFile, kRouter);  // without a pass before the removal
    remove();
    EXPECT_EQ(directory.names(), std::vector<std::string>{kFile});
    EXPECT_EQ(directory.get(kFile), kRouter);
}

TEST_F(Target, a_single_plugins_file_that_was_converted_comes_back) {
    directory.put(kFile, kRouter);
    insert();
    ASSERT_FALSE(std::filesystem::exists(directory.path(kFile)));
    EXPECT_EQ(insert(kFile).file, "00-fsm-10-kuberouter.conflist");
    EXPECT_EQ(directory.get(kFile), kRouter);
    EXPECT_FALSE(std::filesystem::exists(directory.path("10-kuberouter.conflist")));
    // And the other way round.
    EXPECT_EQ(insert().file, "10-kuberouter.conflist");
    EXPECT_FALSE(std::filesystem::exists(directory.path("00-fsm-10-kuberouter.conflist")));
    remove();
    EXPECT_EQ(directory.names(), std::vector<std::string>{kFile});
}

TEST_F(Target, the_chain_beside_a_file_goes_with_the_file) {
    directory.put(kFile, kRouter);
    insert(kFile);
    std::filesystem::remove(directory.path(kFile));
    EXPECT_EQ(insert(kFile).file, "");
    EXPECT_TRUE(directory.names().empty());
}

}  // namespace
}  // namespace fsm
