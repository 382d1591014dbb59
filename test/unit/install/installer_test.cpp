#include "interceptor/install/installer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "test/unit/eventually.h"
#include "test/unit/install/config_directory.h"

namespace fsm {
namespace {

using namespace std::chrono_literals;
using testing::eventually;

const std::string kChain = R"({"cniVersion":"0.3.1","name":"n","plugins":[{"type":"a"}]})";

class Installing : public ::testing::Test {
  protected:
    Installing() {
        options.enabled = true;
        options.bin_dir = elsewhere.path("bin");
        options.config_dir = directory.path();
        options.plugin = elsewhere.path("fsm-cni");
        elsewhere.put("fsm-cni", "ELF", 0755);
    }

    bool fsm_is_in() const {
        const auto view = testing::runtimes_view(directory);
        return view.error.empty() && view.has_fsm();
    }
    // By a rename, as in ours; all installers should write this way.
    void write_like_another_installer(const std::string& name, const std::string& text) const {
        elsewhere.put("written", text);
        ASSERT_EQ(std::rename(elsewhere.path("written").c_str(), directory.path(name).c_str()), 0);
    }
    std::string all_problems(const Installer& installer) const {
        std::string all;
        for (const auto& problem : installer.problems()) {
            all += problem.text + "\n";
        }
        return all;
    }

    testing::ConfigDirectory directory;
    testing::ConfigDirectory elsewhere;
    InstallOptions options;
};

TEST_F(Installing, has_installed_when_start_returns) {
    directory.put("10-n.conflist", kChain);
    Installer installer(options);
    EXPECT_FALSE(fsm_is_in());
    EXPECT_FALSE(installer.installed());
    installer.start();
    EXPECT_TRUE(fsm_is_in());
    EXPECT_TRUE(installer.installed());
    EXPECT_EQ(elsewhere.get("bin/fsm-cni"), "ELF");
    EXPECT_EQ(all_problems(installer), "");
}

TEST_F(Installing, does_nothing_unless_it_is_told_to) {
    options.enabled = false;
    directory.put("10-n.conflist", kChain);
    Installer installer(options);
    installer.start();
    EXPECT_EQ(directory.get("10-n.conflist"), kChain);
    EXPECT_FALSE(std::filesystem::exists(options.bin_dir));
    EXPECT_TRUE(installer.installed()) << "as far as it was told to";
}

TEST_F(Installing, what_is_installed_stays_when_it_stops) {
    directory.put("10-n.conflist", kChain);
    {
        Installer installer(options);
        installer.start();
    }
    EXPECT_TRUE(fsm_is_in());
}

TEST_F(Installing, waits_for_a_network_and_says_so) {
    Installer installer(options);
    installer.start();
    EXPECT_NE(all_problems(installer).find("no CNI configuration in " + directory.path()),
              std::string::npos);
    const auto installed = installer.installed();
    ASSERT_FALSE(installed);
    EXPECT_NE(installed.error().message().find("no CNI configuration"), std::string::npos);
    write_like_another_installer("10-n.conflist", kChain);
    EXPECT_TRUE(eventually([&] { return fsm_is_in(); }));
    EXPECT_TRUE(eventually([&] { return all_problems(installer).empty(); }));
    EXPECT_TRUE(installer.installed());
    std::filesystem::remove(directory.path() + "/10-n.conflist");
    EXPECT_TRUE(eventually([&] { return !all_problems(installer).empty(); }));
    EXPECT_TRUE(installer.installed()) << "what happens later is a problem only";
}

TEST_F(Installing, notices_that_the_entry_in_a_folder_of_plugins_has_gone) {
    directory.put("10-n.conflist", R"({"name":"n"})");
    directory.put("n/10-a.conf", R"({"type":"a"})");
    Installer installer(options, 1h);
    installer.start();
    EXPECT_TRUE(fsm_is_in());
    EXPECT_EQ(all_problems(installer), "");
    ASSERT_TRUE(std::filesystem::remove(directory.path("n/99-fsm-cni.conf")));
    EXPECT_TRUE(eventually([&] { return fsm_is_in(); }));
    ASSERT_GT(std::filesystem::remove_all(directory.path("n")), 0U);
    EXPECT_TRUE(eventually([&] {
        return all_problems(installer).find("no plugin in " + directory.path("n")) !=
               std::string::npos;
    }));
}

TEST_F(Installing, says_that_the_configuration_that_is_named_is_not_there) {
    directory.put("10-n.conflist", kChain);
    options.configuration = "elsewhere";
    Installer installer(options);
    installer.start();
    EXPECT_NE(all_problems(installer).find("cni.configuration"), std::string::npos);
    EXPECT_FALSE(installer.installed());
    EXPECT_EQ(directory.get("10-n.conflist"), kChain);
    write_like_another_installer("20-x.conflist",
                                 R"({"name":"elsewhere","plugins":[{"type":"b"}]})");
    EXPECT_TRUE(eventually([&] { return static_cast<bool>(installer.installed()); }));
    EXPECT_EQ(directory.get("10-n.conflist"), kChain);
}

TEST_F(Installing, tells_where_the_entry_stands_and_since_when) {
    directory.put("10-n.conflist", kChain);
    std::mutex mutex;
    std::optional<Installer::Place> place;
    Installer installer(options);
    installer.on_place([&](const std::optional<Installer::Place>& now) {
        const std::lock_guard guard(mutex);
        place = now;
    });
    const auto seen = [&] {
        const std::lock_guard guard(mutex);
        return place;
    };
    installer.start();
    ASSERT_TRUE(seen());
    const auto first = *seen();
    EXPECT_EQ(first.file, directory.path("10-n.conflist"));
    write_like_another_installer("10-n.conflist", kChain);
    EXPECT_TRUE(eventually([&] { return seen() && seen()->since > first.since; }));
    std::filesystem::remove(directory.path("10-n.conflist"));
    EXPECT_TRUE(eventually([&] { return !seen(); }));
}

TEST_F(Installing, puts_the_entry_into_a_new_first_file) {
    directory.put("10-n.conflist", kChain);
    Installer installer(options);
    installer.start();
    write_like_another_installer("05-first.conflist", kChain);
    EXPECT_TRUE(eventually([&] { return fsm_is_in(); }));
}

TEST_F(Installing, names_the_file_in_a_quarrel_and_slows_down) {
    directory.put("10-n.conflist", kChain);
    Installer installer(options);
    installer.start();
    const auto began = std::chrono::steady_clock::now();
    for (int times = 0; times < 3; ++times) {  // at once, after 1 s, after 2 s
        write_like_another_installer("10-n.conflist", kChain);
        ASSERT_TRUE(eventually([&] { return fsm_is_in(); }));
    }
    EXPECT_GE(std::chrono::steady_clock::now() - began, 3s);
    EXPECT_TRUE(eventually([&] {
        const auto problems = all_problems(installer);
        return problems.find(directory.path("10-n.conflist") + " 3 times") != std::string::npos;
    })) << all_problems(installer);
    ASSERT_EQ(installer.problems().size(), 1U);
    EXPECT_EQ(installer.problems()[0].key, "chain-conflict") << "however its text changes";
}

// The other one writes in the worst way: in place, in two parts.
TEST_F(Installing, never_spoils_what_another_installer_writes_in_place) {
    directory.put("10-n.conflist", kChain);
    Installer installer(options);
    installer.start();
    {
        std::ofstream file(directory.path("10-n.conflist"));
        file << kChain.substr(0, 30) << std::flush;
        std::this_thread::sleep_for(200ms);
        file << kChain.substr(30);
    }
    EXPECT_TRUE(eventually([&] { return fsm_is_in(); }));
    const auto removed = remove_from_chain(options);
    ASSERT_TRUE(removed) << removed.error().message();
}

// A runtime that reads the directory continuously, while two installers conflict.
TEST_F(Installing, a_runtime_reads_a_valid_chain_at_every_moment_of_a_fight) {
    directory.put("10-n.conflist", kChain);
    std::atomic<bool> over = false;
    std::string seen;
    std::thread runtime([&] {
        while (!over) {
            // Only one file: a runtime that lists and reads in two steps can always be late.
            const auto text = directory.get("10-n.conflist");
            if (nlohmann::json::parse(text, nullptr, false).is_discarded()) {
                seen = text;
            }
        }
    });
    for (int times = 0; times < 20; ++times) {
        Installer installer(options);
        installer.start();
        write_like_another_installer("10-n.conflist", kChain);
    }
    over = true;
    runtime.join();
    EXPECT_EQ(seen, "");
}

TEST_F(Installing, a_plugin_that_is_missing_keeps_the_chain_as_it_is) {
    directory.put("10-n.conflist", kChain);
    options.plugin = elsewhere.path("none");
    Installer installer(options, 50ms);
    installer.start();
    EXPECT_EQ(directory.get("10-n.conflist"), kChain);
    EXPECT_NE(all_problems(installer).find(options.plugin), std::string::npos);
    elsewhere.put("none", "ELF", 0755);
    EXPECT_TRUE(eventually([&] { return fsm_is_in(); }));
}

TEST_F(Installing, puts_back_a_binary_that_somebody_took_away) {
    directory.put("10-n.conflist", kChain);
    Installer installer(options, 50ms);
    installer.start();
    std::filesystem::remove(elsewhere.path("bin/fsm-cni"));
    EXPECT_TRUE(eventually([&] { return std::filesystem::exists(elsewhere.path("bin/fsm-cni")); }));
}

TEST_F(Installing, removal_leaves_nothing) {
    directory.put("10-n.conflist", kChain, 0600);
    const auto before = directory.snapshot();
    {
        Installer installer(options);
        installer.start();
    }
    for (int times = 0; times < 2; ++times) {
        const auto left = remove_from_chain(options);
        EXPECT_TRUE(left) << left.error().message();
        const auto removed = remove_binary(options);
        EXPECT_TRUE(removed) << removed.error().message();
    }
    EXPECT_EQ(directory.snapshot(), before);
    EXPECT_TRUE(std::filesystem::is_empty(options.bin_dir));
}

TEST_F(Installing, removal_without_a_directory_succeeds) {
    options.config_dir = directory.path("none");
    EXPECT_TRUE(remove_from_chain(options));
    EXPECT_TRUE(remove_binary(options));
}

}  // namespace
}  // namespace fsm
