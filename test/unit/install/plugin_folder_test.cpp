// A network whose configuration has no list of plugins (loadOnlyInlinedPlugins).
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "interceptor/install/chain.h"
#include "interceptor/install/install_options.h"
#include "test/unit/install/config_directory.h"

namespace fsm {
namespace {

using Names = std::vector<std::string>;

const std::string kList = R"({"cniVersion":"1.1.0","name":"n"})";
const std::string kPlugin = R"({"type":"a"})";

class Folder : public ::testing::Test {
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
    Names names() const {
        Names names;
        for (const auto& file : std::filesystem::directory_iterator(directory.path("n"))) {
            names.push_back(file.path().filename().string());
        }
        std::sort(names.begin(), names.end());
        return names;
    }
    // The chain as the runtime calls it, ending with our entry.
    void expect_last() const {
        const auto view = testing::runtimes_view(directory);
        EXPECT_EQ(view.error, "");
        ASSERT_FALSE(view.chain["plugins"].empty());
        EXPECT_EQ(view.chain["plugins"].back()["type"], "fsm-cni");
    }

    testing::ConfigDirectory directory;
    ConfigFiles files{directory.path()};
    std::string entry = chain_entry({});
};

TEST_F(Folder, gets_a_file_with_the_entry_and_loses_it_again) {
    directory.put("10-n.conflist", kList, 0640);
    directory.put("n/10-a.conf", kPlugin);
    const auto before = directory.snapshot();
    const auto state = insert();
    EXPECT_TRUE(state.inserted);
    EXPECT_EQ(state.file, "n/99-fsm-cni.conf");
    EXPECT_EQ(state.folder, "n");
    EXPECT_TRUE(state.problems.empty());
    EXPECT_EQ(directory.get("n/99-fsm-cni.conf"), entry + "\n");
    EXPECT_EQ(directory.mode_of("n/99-fsm-cni.conf"), 0640U);
    EXPECT_EQ(directory.get("10-n.conflist"), kList);
    EXPECT_EQ(names(), (Names{"10-a.conf", "99-fsm-cni.conf"}));
    expect_last();
    EXPECT_FALSE(insert().inserted);
    remove();
    EXPECT_EQ(directory.snapshot(), before);
}

TEST_F(Folder, the_entry_is_behind_the_other_plugins_whatever_their_names) {
    directory.put("10-n.conflist", kList);
    for (const auto& [other, ours] :
         std::vector<std::pair<std::string, std::string>>{{"10-a.conf", "99-fsm-cni.conf"},
                                                          {"a.conf", "zz-fsm-cni.conf"},
                                                          {"zzz.conf", "~fsm-cni.conf"}}) {
        directory.put("n/" + other, kPlugin);
        EXPECT_EQ(insert().file, "n/" + ours);
        expect_last();
    }
    EXPECT_EQ(names(), (Names{"10-a.conf", "a.conf", "zzz.conf", "~fsm-cni.conf"}));
}

TEST_F(Folder, an_entry_that_says_something_else_or_stands_elsewhere_is_replaced) {
    directory.put("10-n.conflist", kList);
    directory.put("n/10-a.conf", kPlugin);
    directory.put("n/50-ours.conf", R"({"type":"fsm-cni","socket":"/old"})");
    EXPECT_FALSE(insert().inserted);
    EXPECT_EQ(names(), (Names{"10-a.conf", "99-fsm-cni.conf"}));
    directory.put("n/99-fsm-cni.conf", R"({"type":"fsm-cni","socket":"/old"})");
    insert();
    EXPECT_EQ(directory.get("n/99-fsm-cni.conf"), entry + "\n");
}

// libcni ignores the list then; with our entry alone in it, no pod would get an interface.
TEST_F(Folder, without_another_plugin_is_not_used) {
    directory.put("10-n.conflist", kList);
    directory.put("20-m.conflist", R"({"name":"m","plugins":[{"type":"b"}]})");
    EXPECT_EQ(insert().file, "20-m.conflist");
    directory.put("n/10-a.conf", kPlugin);
    EXPECT_EQ(insert().file, "n/99-fsm-cni.conf");
    std::filesystem::remove(directory.path("n/10-a.conf"));
    const auto state = insert();
    EXPECT_EQ(state.file, "20-m.conflist");
    ASSERT_EQ(state.problems.size(), 1U);
    EXPECT_NE(state.problems[0].text.find("no plugin in " + directory.path("n")),
              std::string::npos);
    EXPECT_EQ(names(), Names{});
}

TEST_F(Folder, with_a_file_that_cannot_be_read_is_not_used) {
    directory.put("10-n.conflist", kList);
    directory.put("n/10-a.conf", kPlugin);
    directory.put("n/20-b.conf", "{");
    const auto state = insert();
    EXPECT_EQ(state.file, "");
    ASSERT_EQ(state.problems.size(), 1U);
    EXPECT_NE(state.problems[0].text.find("20-b.conf"), std::string::npos);
}

TEST_F(Folder, files_that_runtimes_do_not_read_there_do_not_count) {
    directory.put("10-n.conflist", kList);
    directory.put("n/10-a.conf", kPlugin);
    directory.put("n/20-b.conflist", "{");
    directory.put("n/30-c.json", "{");
    EXPECT_EQ(insert().file, "n/99-fsm-cni.conf");
}

TEST_F(Folder, is_left_when_the_list_gets_plugins_of_its_own) {
    directory.put("10-n.conflist", kList);
    directory.put("n/10-a.conf", kPlugin);
    insert();
    directory.put("10-n.conflist", R"({"name":"n","plugins":[{"type":"b"}]})");
    EXPECT_EQ(insert().file, "10-n.conflist");
    EXPECT_EQ(names(), Names{"10-a.conf"});
}

TEST_F(Folder, is_cleaned_although_its_list_has_gone) {
    directory.put("10-n.conflist", kList);
    directory.put("n/10-a.conf", kPlugin);
    directory.put("other.d/x.conf", "not ours");
    insert();
    directory.put("n/.99-fsm-cni.conf.fsm-new", "half");
    std::filesystem::remove(directory.path("10-n.conflist"));
    remove();
    EXPECT_EQ(names(), Names{"10-a.conf"});
    EXPECT_EQ(directory.get("other.d/x.conf"), "not ours");
}

}  // namespace
}  // namespace fsm
