// Ends the installer before each of its system calls, and checks what must be on the disk before
// which step.
//
// A process that ends leaves everything that it has done so far. A machine that loses power leaves
// less: unsynced contents and renames since the last sync of the directory are lost. The two kinds
// of test together cover it: by the rules of SyncsBefore*, the state after a power loss equals the
// state after an earlier end of the process.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "interceptor/install/chain.h"
#include "interceptor/install/install_options.h"
#include "interceptor/install/plugin_binary.h"
#include "test/unit/install/config_directory.h"
#include "test/unit/install/traced_child.h"

namespace fsm {
namespace {

using testing::ConfigDirectory;
using testing::FileOperation;
using testing::run_traced;
using Kind = FileOperation::Kind;
using Files = std::map<std::string, std::string>;

const std::string kChain = R"({"cniVersion":"0.3.1","name":"n","plugins":[{"type":"a"}]})";
const std::string kSingle = R"({"cniVersion":"0.3.1","name":"n","type":"a"})";
const std::string kOther = R"({"cniVersion":"1.0.0","name":"other","plugins":[{"type":"b"}]})";
constexpr unsigned kMostCalls = 2000;

// The initial directories.
const std::map<std::string, Files> kStarts = {
    {"chain", {{"10-n.conflist", kChain}, {"20-other.conflist", kOther}}},
    {"single", {{"10-n.conf", kSingle}, {"20-other.conflist", kOther}}},
    {"json", {{"10-n.json", kSingle}, {"20-other.conflist", kOther}}},
    {"folder",
     {{"10-n.conflist", R"({"name":"n"})"},
      {"n/10-a.conf", R"({"type":"a"})"},
      {"20-other.conflist", kOther}}},
    {"occupied", {{"10-n.conf", kSingle}, {"10-n.conflist", kOther}}},
};

bool insert(const ConfigDirectory& directory) {
    return static_cast<bool>(insert_entry(ConfigFiles(directory.path()), chain_entry({})));
}

bool remove(const ConfigDirectory& directory) {
    return static_cast<bool>(remove_entry(ConfigFiles(directory.path())));
}

class PowerLoss : public ::testing::TestWithParam<std::string> {
  protected:
    static void fill(const ConfigDirectory& directory) {
        for (const auto& [name, text] : kStarts.at(GetParam())) {
            directory.put(name, text, 0600);
        }
    }

    // At every step: pods of the same network can be started.
    static void expect_network_n(const ConfigDirectory& directory, unsigned calls) {
        const auto view = testing::runtimes_view(directory);
        ASSERT_EQ(view.error, "") << "before system call " << calls;
        EXPECT_EQ(view.chain["name"], "n") << "before system call " << calls;
        EXPECT_EQ(view.chain["plugins"][0]["type"], "a") << "before system call " << calls;
    }
};

TEST_P(PowerLoss, between_any_two_system_calls_of_the_insertion) {
    unsigned calls = 1;
    for (bool over = false; !over; ++calls) {
        ASSERT_LT(calls, kMostCalls);
        const ConfigDirectory directory;
        fill(directory);
        const auto before = directory.snapshot();

        over = run_traced([&] { return insert(directory); }, calls).ended_by_itself;

        expect_network_n(directory, calls);
        ASSERT_TRUE(insert(directory)) << "the next start, after " << calls;
        expect_network_n(directory, calls);
        EXPECT_TRUE(testing::runtimes_view(directory).has_fsm()) << calls;
        ASSERT_TRUE(remove(directory)) << calls;
        ASSERT_EQ(directory.snapshot(), before) << "after an end before system call " << calls;
    }
    EXPECT_GT(calls, 20U);
}

TEST_P(PowerLoss, between_any_two_system_calls_of_the_removal) {
    unsigned calls = 1;
    for (bool over = false; !over; ++calls) {
        ASSERT_LT(calls, kMostCalls);
        const ConfigDirectory directory;
        fill(directory);
        const auto before = directory.snapshot();
        ASSERT_TRUE(insert(directory));

        over = run_traced([&] { return remove(directory); }, calls).ended_by_itself;

        expect_network_n(directory, calls);
        ASSERT_TRUE(remove(directory)) << "again, after " << calls;
        ASSERT_EQ(directory.snapshot(), before) << "after an end before system call " << calls;
    }
    EXPECT_GT(calls, 20U);
}

// Every name that a runtime reads leads to content that is already on the disk.
void expect_synced_content(const std::vector<FileOperation>& operations) {
    std::set<std::string> unsynced;
    for (const auto& operation : operations) {
        if (operation.kind == Kind::write) {
            unsynced.insert(operation.path);
        } else if (operation.kind == Kind::sync) {
            unsynced.erase(operation.path);
        } else if (operation.kind == Kind::rename || operation.kind == Kind::link) {
            EXPECT_EQ(unsynced.count(operation.path), 0U)
                << operation.path << " becomes " << operation.target << " before it is synced";
        }
    }
}

// Between two renames the directory is synced: the disk gets them in order. Names that runtimes do
// not read (temporary files) do not matter.
void expect_synced_names(const std::vector<FileOperation>& operations) {
    const auto directory_of = [](const FileOperation& change) {
        return std::filesystem::path(change.path).parent_path().string();
    };
    const FileOperation* pending = nullptr;
    for (const auto& operation : operations) {
        if (operation.kind == Kind::sync && pending != nullptr &&
            operation.path == directory_of(*pending)) {
            pending = nullptr;
        }
        const bool in_the_making = operation.path.ends_with(".fsm-new");
        const bool counts =
            operation.kind == Kind::rename || (operation.kind == Kind::unlink && !in_the_making);
        if (counts) {
            EXPECT_EQ(pending, nullptr) << operation.path << " changes before the change of "
                                        << pending->path << " is on the disk";
            pending = &operation;
        }
    }
    EXPECT_EQ(pending, nullptr) << "the last change is not on the disk";
}

TEST_P(PowerLoss, everything_is_on_the_disk_before_the_next_step_needs_it) {
    const ConfigDirectory directory;
    fill(directory);
    for (const auto& step : {insert, remove}) {
        const auto run = run_traced([&] { return step(directory); }, 0);
        ASSERT_TRUE(run.succeeded);
        EXPECT_GE(run.operations.size(), 2U);
        expect_synced_content(run.operations);
        expect_synced_names(run.operations);
    }
}

INSTANTIATE_TEST_SUITE_P(Starts, PowerLoss,
                         ::testing::Values("chain", "single", "json", "occupied", "folder"),
                         [](const auto& start) { return start.param; });

TEST(PowerLossOfTheBinary, leaves_the_old_one_or_the_new_one) {
    unsigned calls = 1;
    for (bool over = false; !over; ++calls) {
        ASSERT_LT(calls, kMostCalls);
        const ConfigDirectory directory;
        directory.put("source", "the new one", 0755);
        std::filesystem::create_directory(directory.path("bin"));
        directory.put("bin/fsm-cni", "the old one", 0755);
        const auto install = [&] {
            return static_cast<bool>(
                install_plugin(directory.path("source"), directory.path("bin")));
        };

        const auto run = run_traced(install, calls);

        over = run.ended_by_itself;
        expect_synced_content(run.operations);
        const auto text = directory.get("bin/fsm-cni");
        EXPECT_TRUE(text == "the old one" || text == "the new one") << calls;
        EXPECT_EQ(directory.mode_of("bin/fsm-cni"), 0755U);
        ASSERT_TRUE(install());
        EXPECT_EQ(directory.get("bin/fsm-cni"), "the new one");
        ASSERT_TRUE(remove_plugin(directory.path("bin")));
        EXPECT_TRUE(std::filesystem::is_empty(directory.path("bin")));
    }
}

}  // namespace
}  // namespace fsm
