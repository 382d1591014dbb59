// The CNI configurations of real networks, and the same with our entry: golden/<network>/before and
// after, whole directories.
#include <gtest/gtest.h>

#include <filesystem>

#include "interceptor/install/chain.h"
#include "interceptor/install/install_options.h"
#include "test/unit/install/config_directory.h"

namespace fsm {
namespace {

using testing::ConfigDirectory;

class Golden : public ::testing::TestWithParam<std::string> {
  protected:
    static std::filesystem::path of(const std::string& state) {
        return std::filesystem::path(FSM_GOLDEN_DIRECTORY) / GetParam() / state;
    }

    static std::map<std::string, std::string> texts(const std::filesystem::path& directory) {
        std::map<std::string, std::string> all;
        for (const auto& entry : std::filesystem::directory_iterator(directory)) {
            std::ifstream file(entry.path());
            all[entry.path().filename()] = {std::istreambuf_iterator<char>(file), {}};
        }
        return all;
    }
};

TEST_P(Golden, the_entry_comes_and_goes) {
    const ConfigDirectory directory;
    for (const auto& [name, text] : texts(of("before"))) {
        directory.put(name, text, 0600);
    }
    const auto before = directory.snapshot();
    const auto network = testing::runtimes_view(directory);
    ASSERT_EQ(network.error, "");
    const ConfigFiles files(directory.path());

    const auto state = insert_entry(files, chain_entry({}));

    ASSERT_TRUE(state) << state.error().message();
    EXPECT_TRUE(state->inserted);
    EXPECT_TRUE(state->problems.empty());
    EXPECT_EQ(texts(directory.path()), texts(of("after")));
    EXPECT_EQ(directory.mode_of(state->file), 0600U);
    const auto seen = testing::runtimes_view(directory);
    ASSERT_EQ(seen.error, "");
    EXPECT_TRUE(seen.has_fsm());
    EXPECT_EQ(seen.chain["name"], network.chain["name"]);
    EXPECT_EQ(seen.chain["cniVersion"], network.chain["cniVersion"]);

    const auto removed = remove_entry(files);

    ASSERT_TRUE(removed) << removed.error().message();
    EXPECT_EQ(directory.snapshot(), before);
}

INSTANTIATE_TEST_SUITE_P(Networks, Golden,
                         ::testing::Values("flannel", "calico", "cilium", "kindnet", "k3s",
                                           "multus", "single"),
                         [](const auto& network) { return network.param; });

}  // namespace
}  // namespace fsm
