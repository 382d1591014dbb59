// The directory of manifests: its pods, its uncertain answers, and how it follows changes.
#include "interceptor/pod/manifest_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <thread>

#include "test/unit/eventually.h"
#include "test/unit/problem_texts.h"

namespace fsm::test {
namespace {

using namespace std::chrono_literals;
using fsm::testing::eventually;
using fsm::testing::texts_of;
using ::testing::Contains;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

// So long that only inotify can be faster.
constexpr auto kNoRescan = 10min;
constexpr auto kPatience = 10s;
// A written file becomes valid when it is 50 ms old. If a test was delayed by more than that
// between two steps that belong together, it has proved nothing and retries.
constexpr auto kTooSlow = 45ms;
constexpr int kAttempts = 100;

std::string manifest(const std::string& name, const std::string& label = "x",
                     const std::string& in_namespace = "default") {
    return "kind: Pod\nmetadata: {name: " + name + ", namespace: " + in_namespace +
           ", labels: {l: " + label + "}}\nspec: {containers: [{name: c}]}\n";
}

// Collects the source's notifications.
class Listener {
  public:
    std::function<void(const PodName&)> callback() {
        return [this](const PodName& name) {
            const std::lock_guard lock(mutex_);
            told_.insert(name.to_string());
            came_.notify_all();
        };
    }
    // Whether the name is reported in time; it is then removed.
    bool hears(const std::string& name) {
        std::unique_lock lock(mutex_);
        return came_.wait_for(lock, kPatience, [&] { return told_.erase(name) != 0; });
    }
    bool heard_nothing() {
        const std::lock_guard lock(mutex_);
        return told_.empty();
    }

  private:
    std::mutex mutex_;
    std::condition_variable came_;
    std::set<std::string> told_;
};

class ManifestDirectoryTest : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = ::testing::TempDir() + "fsm-manifests-XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        base_ = pattern;
        path_ = base_ + "/pods";
        fs::create_directory(path_);
    }
    void TearDown() override { fs::remove_all(base_); }

    void write(const std::string& name, const std::string& text) const {
        replace_file(path_ + "/" + name, text);
    }
    // In one step, however long this process is delayed.
    void replace_file(const std::string& path, const std::string& text) const {
        const std::string unfinished = base_ + "/" + fs::path(path).filename().string();
        std::ofstream(unfinished) << text;
        fs::rename(unfinished, path);
    }
    std::unique_ptr<ManifestDirectory> open(std::chrono::milliseconds rescan = kNoRescan) {
        auto source = ManifestDirectory::open(path_, rescan);
        if (!source) {
            ADD_FAILURE() << source.error().message();
            return nullptr;
        }
        return *std::move(source);
    }
    void start_watching(ManifestDirectory& source) {
        const auto watching = source.watch(listener_.callback());
        ASSERT_TRUE(watching) << watching.error().message();
    }
    static std::string label_of(const ManifestDirectory& source, const PodName& name) {
        const auto found = source.find(name);
        if (!found) {
            return "not known";
        }
        return found->has_value() ? (*found)->labels.at("l") : "none";
    }

    std::string base_;
    std::string path_;
    Listener listener_;
};

const PodName kA{"default", "a"};
const PodName kB{"default", "b"};

TEST_F(ManifestDirectoryTest, ReadsManifestsAndPassesOverTheRest) {
    write("a.yaml", manifest("a"));
    write("b.yml", manifest("b"));
    write("c.json",
          R"({"kind": "Pod", "metadata": {"name": "c"}, "spec": {"containers": [{"name": "c"}]}})");
    write("d.yaml.bak", manifest("d"));
    write(".e.yaml", manifest("e"));
    write("README", "not a manifest");
    const auto source = open();
    const auto pods = source->list();
    ASSERT_TRUE(pods) << pods.error().message();
    std::set<std::string> names;
    for (const Pod& pod : *pods) {
        names.insert(pod.name.to_string());
    }
    EXPECT_EQ(names, (std::set<std::string>{"default/a", "default/b", "default/c"}));
    EXPECT_TRUE(texts_of(source->problems()).empty());
    EXPECT_EQ(source->description(), "directory " + path_);
}

TEST_F(ManifestDirectoryTest, ADirectoryThatIsNotThereIsAnError) {
    const auto source = ManifestDirectory::open(path_ + "/none");
    ASSERT_FALSE(source);
    EXPECT_THAT(source.error().message(), HasSubstr(path_ + "/none: No such file"));
    write("file", "");
    EXPECT_FALSE(ManifestDirectory::open(path_ + "/file"));
}

TEST_F(ManifestDirectoryTest, ThereAndNotThere) {
    write("a.yaml", manifest("a"));
    const auto source = open();
    EXPECT_EQ(label_of(*source, kA), "x");
    EXPECT_EQ(label_of(*source, kB), "none");
    EXPECT_EQ(label_of(*source, {"other", "a"}), "none");
}

TEST_F(ManifestDirectoryTest, ANameWithoutANamespaceIsEnoughWhenItIsUnique) {
    write("a.yaml", manifest("a") + "---\n" + manifest("b", "x", "one") + "---\n" +
                        manifest("b", "y", "two") + "---\n" + manifest("c", "z", "two"));
    const auto source = open();
    const auto found = source->find({"", "c"});
    ASSERT_TRUE(found) << found.error().message();
    ASSERT_TRUE(found->has_value());
    EXPECT_EQ((*found)->name, (PodName{"two", "c"}));
    EXPECT_EQ(label_of(*source, {"", "none"}), "none");
    const auto ambiguous = source->find({"", "b"});
    ASSERT_FALSE(ambiguous);
    EXPECT_THAT(ambiguous.error().message(), HasSubstr("one in one and one in two"));
    EXPECT_EQ(label_of(*source, {"two", "b"}), "y");
}

TEST_F(ManifestDirectoryTest, AWrongFileMakesAMissUncertain) {
    write("a.yaml", manifest("a"));
    write("bad.yaml", "kind: Pod\n");
    const auto source = open();
    EXPECT_EQ(label_of(*source, kA), "x");
    const auto unknown = source->find(kB);
    ASSERT_FALSE(unknown);
    EXPECT_THAT(unknown.error().message(), HasSubstr(path_ + "/bad.yaml:1"));
    EXPECT_THAT(texts_of(source->problems()), Contains(HasSubstr(path_ + "/bad.yaml:1")));
    fs::remove(path_ + "/bad.yaml");
    EXPECT_EQ(label_of(*source, kB), "none");
    EXPECT_TRUE(texts_of(source->problems()).empty());
}

TEST_F(ManifestDirectoryTest, WhatIsNoRegularFileIsAProblem) {
    ASSERT_EQ(::mkfifo((path_ + "/pipe.yaml").c_str(), 0600), 0);
    fs::create_directory(path_ + "/folder.yaml");
    fs::create_symlink("/nowhere", path_ + "/dangling.yaml");
    write("large.yaml", std::string((1 << 20) + 1, '#'));
    const auto source = open();
    EXPECT_THAT(texts_of(source->problems()),
                Contains(HasSubstr("pipe.yaml: it is not a regular file")));
    EXPECT_THAT(texts_of(source->problems()),
                Contains(HasSubstr("folder.yaml: it is not a regular file")));
    EXPECT_THAT(texts_of(source->problems()), Contains(HasSubstr("dangling.yaml: No such file")));
    EXPECT_THAT(texts_of(source->problems()), Contains(HasSubstr("large.yaml")));
    EXPECT_EQ(texts_of(source->problems()).size(), 4U);
}

TEST_F(ManifestDirectoryTest, APodInTwoFilesIsTakenFromTheFirst) {
    write("1.yaml", manifest("a", "first"));
    write("2.yaml", manifest("a", "second"));
    const auto source = open();
    EXPECT_EQ(label_of(*source, kA), "first");
    EXPECT_THAT(texts_of(source->problems()),
                Contains(HasSubstr("pod default/a is in 1.yaml and in 2.yaml")));
}

TEST_F(ManifestDirectoryTest, AMissLooksAgainWithoutAnyWatch) {
    const auto source = open();
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        const std::string name = "a" + std::to_string(attempt);
        const auto begin = std::chrono::steady_clock::now();
        write(name + ".yaml", manifest(name));
        const auto soon = source->find({"default", name});
        if (std::chrono::steady_clock::now() - begin > kTooSlow) {
            continue;
        }
        ASSERT_FALSE(soon);
        EXPECT_THAT(soon.error().message(), HasSubstr("is being written"));
        EXPECT_TRUE(eventually([&] { return label_of(*source, {"default", name}) == "x"; }));
        return;
    }
    FAIL() << "no file could be written and looked at within " << kTooSlow.count() << " ms";
}

TEST_F(ManifestDirectoryTest, TellsOfNewChangedAndRemovedPods) {
    write("a.yaml", manifest("a"));
    const auto source = open();
    start_watching(*source);
    write("b.yaml", manifest("b"));
    EXPECT_TRUE(listener_.hears("default/b"));
    EXPECT_EQ(label_of(*source, kB), "x");
    write("b.yaml", manifest("b", "y"));
    EXPECT_TRUE(listener_.hears("default/b"));
    EXPECT_EQ(label_of(*source, kB), "y");
    fs::remove(path_ + "/b.yaml");
    EXPECT_TRUE(listener_.hears("default/b"));
    EXPECT_EQ(label_of(*source, kB), "none");
    EXPECT_TRUE(listener_.heard_nothing());
}

TEST_F(ManifestDirectoryTest, FollowsARenameIntoPlace) {
    write("a.yaml", manifest("a"));
    const auto source = open();
    start_watching(*source);
    write(".a.yaml.tmp", manifest("a", "renamed"));
    fs::rename(path_ + "/.a.yaml.tmp", path_ + "/a.yaml");
    EXPECT_TRUE(listener_.hears("default/a"));
    EXPECT_EQ(label_of(*source, kA), "renamed");
}

TEST_F(ManifestDirectoryTest, FollowsTheLinksOfAConfigMap) {
    fs::create_directory(path_ + "/..1");
    write("..1/a.yaml", manifest("a", "one"));
    fs::create_symlink("..1", path_ + "/..data");
    fs::create_symlink("..data/a.yaml", path_ + "/a.yaml");
    const auto source = open();
    EXPECT_EQ(label_of(*source, kA), "one");
    start_watching(*source);
    fs::create_directory(path_ + "/..2");
    write("..2/a.yaml", manifest("a", "two"));
    fs::create_symlink("..2", path_ + "/..data_tmp");
    fs::rename(path_ + "/..data_tmp", path_ + "/..data");
    fs::remove_all(path_ + "/..1");
    EXPECT_TRUE(listener_.hears("default/a"));
    EXPECT_EQ(label_of(*source, kA), "two");
}

TEST_F(ManifestDirectoryTest, AFileThatBecomesWrongKeepsItsPods) {
    write("a.yaml", manifest("a"));
    write("c.yaml", manifest("c"));
    const auto source = open();
    start_watching(*source);
    write("a.yaml", "kind: Pod\nmetadata: [\n");
    write("c.yaml", manifest("c", "seen"));
    EXPECT_TRUE(listener_.hears("default/c"));
    // The scan that read the one may have checked the other before it was written.
    EXPECT_TRUE(eventually([&] { return !texts_of(source->problems()).empty(); }));
    EXPECT_THAT(texts_of(source->problems()), Contains(HasSubstr("last good version")));
    EXPECT_EQ(label_of(*source, kA), "x");
    EXPECT_TRUE(listener_.heard_nothing());
    write("a.yaml", manifest("a", "good"));
    EXPECT_TRUE(listener_.hears("default/a"));
    EXPECT_TRUE(texts_of(source->problems()).empty());
}

// Writes two pods into their file, one after the other; returns how long that took.
std::chrono::nanoseconds write_slowly(const std::string& path) {
    const auto begin = std::chrono::steady_clock::now();
    std::ofstream file(path);
    file << manifest("a") << std::flush;
    std::this_thread::sleep_for(30ms);
    file << "---\n" << manifest("b", "y") << std::flush;
    return std::chrono::steady_clock::now() - begin;
}

TEST_F(ManifestDirectoryTest, AFileThatIsWrittenSlowlyIsNotTakenHalf) {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        Listener heard;
        write("a.yaml", manifest("a") + "---\n" + manifest("b"));
        const auto source = open();
        ASSERT_TRUE(source->watch(heard.callback()));
        if (write_slowly(path_ + "/a.yaml") > kTooSlow) {
            continue;
        }
        EXPECT_TRUE(heard.hears("default/b"));
        EXPECT_EQ(label_of(*source, kB), "y");
        EXPECT_TRUE(heard.heard_nothing());
        return;
    }
    FAIL() << "no file could be written within " << kTooSlow.count() << " ms";
}

TEST_F(ManifestDirectoryTest, ADirectoryThatGoesKeepsItsPodsAndIsFollowedWhenItComesBack) {
    write("a.yaml", manifest("a"));
    const auto source = open(100ms);
    start_watching(*source);
    fs::rename(path_, base_ + "/aside");
    EXPECT_TRUE(eventually([&] { return !texts_of(source->problems()).empty(); }));
    EXPECT_THAT(texts_of(source->problems()), Contains(HasSubstr("its pods are kept")));
    EXPECT_EQ(label_of(*source, kA), "x");
    EXPECT_EQ(label_of(*source, kB), "not known");
    fs::create_directory(path_);
    write("b.yaml", manifest("b"));
    EXPECT_TRUE(listener_.hears("default/a"));
    EXPECT_TRUE(listener_.hears("default/b"));
    EXPECT_EQ(label_of(*source, kA), "none");
    EXPECT_TRUE(texts_of(source->problems()).empty());
}

TEST_F(ManifestDirectoryTest, ARescanSeesWhatInotifyDoesNot) {
    // The link's own directory does not change, so nothing wakes the watch.
    fs::create_directory(base_ + "/elsewhere");
    replace_file(base_ + "/elsewhere/a.yaml", manifest("a"));
    fs::create_symlink(base_ + "/elsewhere/a.yaml", path_ + "/a.yaml");
    const auto source = open(100ms);
    start_watching(*source);
    replace_file(base_ + "/elsewhere/a.yaml", manifest("a", "y"));
    EXPECT_TRUE(listener_.hears("default/a"));
    EXPECT_EQ(label_of(*source, kA), "y");
}

TEST_F(ManifestDirectoryTest, AChangeThatAMissDiscoveredIsToldToo) {
    const auto source = open();
    start_watching(*source);
    write("a.yaml", manifest("a"));
    EXPECT_TRUE(eventually([&] { return label_of(*source, kA) == "x"; }));
    EXPECT_TRUE(listener_.hears("default/a"));
}

TEST_F(ManifestDirectoryTest, TheCallbackMayAskTheSource) {
    const auto source = open();
    std::mutex mutex;
    std::condition_variable came;
    std::string label;
    const auto watching = source->watch([&](const PodName& name) {
        const std::string found = label_of(*source, name);
        const std::lock_guard lock(mutex);
        label = found;
        came.notify_all();
    });
    ASSERT_TRUE(watching);
    write("a.yaml", manifest("a"));
    std::unique_lock lock(mutex);
    EXPECT_TRUE(came.wait_for(lock, kPatience, [&] { return label == "x"; }));
}

TEST_F(ManifestDirectoryTest, IsWatchedOnce) {
    const auto source = open();
    start_watching(*source);
    EXPECT_FALSE(source->watch(listener_.callback()));
}

TEST_F(ManifestDirectoryTest, IsListedWhileOthersScan) {
    constexpr std::size_t kPods = 50;
    for (std::size_t pod = 0; pod < kPods; ++pod) {
        write("p" + std::to_string(pod) + ".yaml", manifest("p" + std::to_string(pod)));
    }
    const auto source = open();
    const std::jthread scanner([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            static_cast<void>(source->find({"default", "not-there"}));
        }
    });
    for (int round = 0; round < 1000; ++round) {
        EXPECT_EQ(source->list()->size(), kPods);
    }
}

TEST_F(ManifestDirectoryTest, StopsWhileManyFindAndWrite) {
    auto source = open(1ms);
    start_watching(*source);
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            for (int round = 0; round < 50; ++round) {
                write("t" + std::to_string(thread) + ".yaml",
                      manifest("t" + std::to_string(thread), "r" + std::to_string(round)));
                static_cast<void>(label_of(*source, kA));
                static_cast<void>(source->problems());
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    std::this_thread::sleep_for(100ms);
    for (int thread = 0; thread < 4; ++thread) {
        EXPECT_EQ(label_of(*source, {"default", "t" + std::to_string(thread)}), "r49");
    }
    source.reset();
}

}  // namespace
}  // namespace fsm::test
