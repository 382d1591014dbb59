#include "interceptor/install/chain.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "interceptor/install/install_options.h"
#include "test/unit/install/config_directory.h"

namespace fsm {
namespace {

const std::string kChain = R"({"cniVersion":"0.3.1","name":"n","plugins":[{"type":"a"}]})";
const std::string kSingle = R"({"cniVersion":"0.3.1","name":"n","type":"a"})";

class Chain : public ::testing::Test {
  protected:
    ChainState insert() const {
        auto state = insert_entry(files, entry);
        EXPECT_TRUE(state) << state.error().message();
        return state ? *state : ChainState();
    }
    void remove() const {
        const auto removed = remove_entry(files);
        EXPECT_TRUE(removed) << removed.error().message();
    }
    void expect_fsm_in(const std::string& name) const {
        EXPECT_NE(directory.get(name).find("fsm-cni"), std::string::npos) << name;
        const auto view = testing::runtimes_view(directory);
        EXPECT_EQ(view.error, "");
        EXPECT_TRUE(view.has_fsm());
    }

    testing::ConfigDirectory directory;
    ConfigFiles files{directory.path()};
    std::string entry = chain_entry({});
};

TEST_F(Chain, waits_where_there_is_no_configuration) {
    directory.put("README", "not read");
    const auto state = insert();
    EXPECT_EQ(state.file, "");
    EXPECT_EQ(directory.names(), std::vector<std::string>{"README"});
}

TEST_F(Chain, a_directory_that_is_not_there_is_an_error) {
    const auto state = insert_entry(ConfigFiles(directory.path("none")), entry);
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().errno_value(), ENOENT);
    EXPECT_NE(state.error().message().find(directory.path("none")), std::string::npos);
}

TEST_F(Chain, the_first_file_in_the_order_of_bytes_counts) {
    directory.put("10-b.conflist", kChain);
    directory.put("10-B.conflist", kChain);
    directory.put("2.conflist", kChain);
    EXPECT_EQ(insert().file, "10-B.conflist");
    EXPECT_EQ(directory.get("10-b.conflist"), kChain);
    EXPECT_EQ(directory.get("2.conflist"), kChain);
}

TEST_F(Chain, what_no_runtime_can_use_is_passed_over_and_named) {
    directory.put("00-broken.conflist", "{");
    directory.put("10-n.conflist", kChain);
    std::filesystem::create_directory(directory.path("05-directory.conf"));
    const auto state = insert();
    EXPECT_EQ(state.file, "10-n.conflist");
    ASSERT_EQ(state.problems.size(), 1U);
    EXPECT_NE(state.problems[0].text.find("00-broken.conflist"), std::string::npos);
}

TEST_F(Chain, what_is_there_already_is_not_written) {
    directory.put("10-n.conflist", kChain);
    EXPECT_TRUE(insert().inserted);
    struct stat before {};
    stat(directory.path("10-n.conflist").c_str(), &before);
    EXPECT_FALSE(insert().inserted);
    struct stat after {};
    stat(directory.path("10-n.conflist").c_str(), &after);
    EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(Chain, mode_and_owner_are_kept) {
    directory.put("10-n.conflist", kChain, 0600);
    ASSERT_EQ(chown(directory.path("10-n.conflist").c_str(), 12, 34), 0);
    insert();
    struct stat info {};
    stat(directory.path("10-n.conflist").c_str(), &info);
    EXPECT_EQ(info.st_mode & 07777U, 0600U);
    EXPECT_EQ(info.st_uid, 12U);
    EXPECT_EQ(info.st_gid, 34U);
}

TEST_F(Chain, a_symbolic_link_comes_back_as_one) {
    directory.put("network.txt", kChain);
    std::filesystem::create_symlink("network.txt", directory.path("10-n.conflist"));
    insert();
    expect_fsm_in("10-n.conflist");
    EXPECT_EQ(directory.get("network.txt"), kChain);
    remove();
    EXPECT_TRUE(std::filesystem::is_symlink(directory.path("10-n.conflist")));
    EXPECT_EQ(directory.names(), (std::vector<std::string>{"10-n.conflist", "network.txt"}));
}

TEST_F(Chain, a_single_plugin_becomes_a_chain_and_comes_back) {
    for (const std::string name : {"10-n.conf", "10-n.json"}) {
        directory.put(name, kSingle, 0640);
        const auto before = directory.snapshot();
        EXPECT_EQ(insert().file, "10-n.conflist");
        expect_fsm_in("10-n.conflist");
        EXPECT_EQ(directory.names(),
                  (std::vector<std::string>{"." + name + ".fsm-original", "10-n.conflist"}));
        EXPECT_FALSE(insert().inserted);
        remove();
        EXPECT_EQ(directory.snapshot(), before);
        std::filesystem::remove(directory.path(name));
    }
}

TEST_F(Chain, a_chain_of_the_name_that_a_single_plugin_would_get_stays) {
    directory.put("10-n.conf", kSingle);
    directory.put("10-n.conflist", R"({"name":"other","plugins":[{"type":"b"}]})");
    const auto before = directory.snapshot();
    EXPECT_EQ(insert().file, "10-n.conf.conflist");
    EXPECT_EQ(testing::runtimes_view(directory).chain["name"], "n");
    expect_fsm_in("10-n.conf.conflist");
    remove();
    EXPECT_EQ(directory.snapshot(), before);
}

TEST_F(Chain, a_single_plugin_without_a_free_name_is_an_error_and_stays) {
    directory.put("10-n.conf", kSingle);
    directory.put("10-n.conf.conf", kSingle);  // would be read before 10-n.conf.conflist
    directory.put("10-n.conflist", kChain);
    const auto before = directory.snapshot();
    const auto state = insert_entry(files, entry);
    ASSERT_FALSE(state);
    EXPECT_NE(state.error().message().find("10-n.conf"), std::string::npos);
    EXPECT_EQ(directory.snapshot(), before);
}

TEST_F(Chain, a_single_plugin_that_is_written_anew_becomes_a_chain_again) {
    directory.put("10-n.conf", kSingle);
    insert();
    const std::string other = R"({"cniVersion":"0.4.0","name":"n","type":"b"})";
    directory.put("10-n.conf", other);
    EXPECT_TRUE(insert().inserted);
    EXPECT_EQ(testing::runtimes_view(directory).chain["plugins"][0]["type"], "b");
    expect_fsm_in("10-n.conflist");
    remove();
    EXPECT_EQ(directory.names(), std::vector<std::string>{"10-n.conf"});
    EXPECT_EQ(directory.get("10-n.conf"), other);
}

TEST_F(Chain, a_single_plugin_that_is_written_anew_before_the_removal_is_what_stays) {
    directory.put("10-n.conf", kSingle);
    insert();
    const std::string other = R"({"cniVersion":"0.4.0","name":"n","type":"b"})";
    directory.put("10-n.conf", other);
    remove();
    EXPECT_EQ(directory.names(), std::vector<std::string>{"10-n.conf"});
    EXPECT_EQ(directory.get("10-n.conf"), other);
}

TEST_F(Chain, a_file_that_was_rewritten_gets_the_entry_again) {
    directory.put("10-n.conflist", kChain);
    insert();
    const std::string rewritten = R"({"name":"n","plugins":[{"type":"b"}]})";
    directory.put("10-n.conflist", rewritten);
    EXPECT_TRUE(insert().inserted);
    expect_fsm_in("10-n.conflist");
    remove();
    EXPECT_EQ(directory.get("10-n.conflist"), rewritten);
    EXPECT_EQ(directory.names(), std::vector<std::string>{"10-n.conflist"});
}

TEST_F(Chain, what_others_added_meanwhile_stays_at_the_removal) {
    directory.put("10-n.conflist", kChain);
    insert();
    auto text = directory.get("10-n.conflist");
    text.insert(text.find(",{\"type\":\"fsm-cni\""), R"(,{"type":"istio-cni"})");
    directory.put("10-n.conflist", text);
    EXPECT_FALSE(insert().inserted);
    remove();
    EXPECT_EQ(directory.get("10-n.conflist"),
              R"({"cniVersion":"0.3.1","name":"n","plugins":[{"type":"a"},{"type":"istio-cni"}]})");
    EXPECT_EQ(directory.names(), std::vector<std::string>{"10-n.conflist"});
}

TEST_F(Chain, a_new_first_file_gets_the_entry_and_the_removal_finds_both) {
    directory.put("10-n.conflist", kChain);
    insert();
    directory.put("05-first.conflist", kChain);
    EXPECT_EQ(insert().file, "05-first.conflist");
    expect_fsm_in("05-first.conflist");
    remove();
    EXPECT_EQ(directory.get("05-first.conflist"), kChain);
    EXPECT_EQ(directory.get("10-n.conflist"), kChain);
    EXPECT_EQ(directory.names(), (std::vector<std::string>{"05-first.conflist", "10-n.conflist"}));
}

TEST_F(Chain, settings_that_change_replace_the_entry_and_keep_the_original) {
    directory.put("10-n.conflist", kChain);
    insert();
    InstallOptions other;
    other.host_socket = "/run/other.sock";
    entry = chain_entry(other);
    EXPECT_TRUE(insert().inserted);
    EXPECT_NE(directory.get("10-n.conflist").find("/run/other.sock"), std::string::npos);
    remove();
    EXPECT_EQ(directory.get("10-n.conflist"), kChain);
}

TEST_F(Chain, without_the_original_only_the_entry_goes) {
    directory.put("10-n.conflist", kChain);
    insert();
    std::filesystem::remove(directory.path(".10-n.conflist.fsm-original"));
    remove();
    EXPECT_EQ(directory.get("10-n.conflist"), kChain);
}

TEST_F(Chain, removal_where_nothing_was_installed_changes_nothing) {
    directory.put("10-n.conflist", kChain);
    directory.put("20-n.conf", kSingle);
    directory.put("30-broken.conflist", "{\"type\":\"fsm-cni\"");
    const auto before = directory.snapshot();
    remove();
    EXPECT_EQ(directory.snapshot(), before);
}

TEST_F(Chain, a_file_that_is_changed_between_reading_and_writing_is_not_overwritten) {
    directory.put("10-n.conflist", kChain);
    const auto read = files.read("10-n.conflist");
    ASSERT_TRUE(read);
    const std::string changed = R"({"name":"n","plugins":[{"type":"changed"}]})";
    directory.put("10-n.conflist", changed);
    const auto written = files.write("10-n.conflist", "overwritten", *read);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().errno_value(), ESTALE);
    EXPECT_EQ(directory.get("10-n.conflist"), changed);
    EXPECT_EQ(directory.names(), std::vector<std::string>{"10-n.conflist"});
}

TEST_F(Chain, the_entry_says_where_the_state_is_when_it_is_not_where_the_plugin_looks) {
    InstallOptions options;
    EXPECT_EQ(chain_entry(options), R"({"type":"fsm-cni","socket":"/var/run/fsm-cni.sock",)"
                                    R"("kubernetes":{"exclude_namespaces":["fsm-system"]}})");
    options.host_socket = "/run/two/fsm-cni.sock";
    options.host_state_directory = "/run/two/fsm";
    options.excluded_namespaces = {"a", "b"};
    EXPECT_EQ(chain_entry(options),
              R"({"type":"fsm-cni","socket":"/run/two/fsm-cni.sock","state_dir":"/run/two/fsm",)"
              R"("kubernetes":{"exclude_namespaces":["a","b"]}})");
}

}  // namespace
}  // namespace fsm
