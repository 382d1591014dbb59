// Since when a pod is known, for the time until its enrolment.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "interceptor/pod/manifest_directory.h"
#include "test/unit/eventually.h"

namespace fsm::testing {
namespace {

using namespace std::chrono_literals;

void write(const std::string& path, const std::string& label) {
    std::ofstream(path + ".new") << "kind: Pod\nmetadata: {name: a, labels: {l: " << label
                                 << "}}\nspec: {containers: [{name: c}]}\n";
    std::filesystem::rename(path + ".new", path);
}

TEST(KnownSince, DoesNotMakePodsDiffer) {
    Pod before;
    Pod now;
    now.known.time = before.known.time + 5s;
    EXPECT_EQ(before, now);
}

TEST(KnownSince, ContinuesForTheSameUidAlone) {
    Pod before;
    before.uid = "u1";
    Pod now = before;
    now.known.time += 5s;
    Pod other = now;
    other.uid = "u2";
    const auto later = other.known.time;
    now.continue_from(before);
    other.continue_from(before);
    EXPECT_EQ(now.known.time, before.known.time);
    EXPECT_EQ(other.known.time, later);
}

TEST(KnownSince, AnEditedManifestIsTheSamePod) {
    std::string directory = ::testing::TempDir() + "fsm-known-XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    write(directory + "/a.yaml", "first");
    {
        const auto source = ManifestDirectory::open(directory, 20ms);
        ASSERT_TRUE(source) << source.error().message();
        ASSERT_TRUE((*source)->watch([](const PodName&) {}));
        const auto pod = [&] { return (*source)->list()->at(0); };
        const auto known = pod().known.time;
        write(directory + "/a.yaml", "second");
        EXPECT_TRUE(eventually([&] { return pod().labels.at("l") == "second"; }));
        EXPECT_EQ(pod().known.time, known);
    }
    std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace fsm::testing
