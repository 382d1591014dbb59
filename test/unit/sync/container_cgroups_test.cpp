#include "interceptor/sync/container_cgroups.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "interceptor/interception/mount_table.h"
#include "test/unit/sync/fake_datapath.h"

namespace fsm::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPod = 7;
const std::string kUid = "0f5e8a1c-1b2d-4c3e-9f60-718293a4b5c6";

bool all_attached(std::uint64_t /*netns_cookie*/) {
    return true;
}

bool none_attached(std::uint64_t /*netns_cookie*/) {
    return false;
}

// Records its calls, as the kernel does.
class ToldDatapath : public FakeDatapath {
  public:
    Result<void> set_other_containers(std::uint64_t netns_cookie, const OtherContainers& before,
                                      const OtherContainers& now) override {
        ++calls;
        if (!failure.empty()) {
            return Error(failure);
        }
        EXPECT_EQ(before, held[netns_cookie]);
        held[netns_cookie] = now;
        return {};
    }
    Result<std::map<std::uint64_t, OtherContainers>> other_containers() const override {
        return held;
    }

    std::map<std::uint64_t, OtherContainers> held;
    std::string failure;
    int calls = 0;
};

// A part of the real hierarchy of version 2.
class ContainerCgroupsTest : public ::testing::Test {
  protected:
    void SetUp() override {
        const auto mounts = read_mounts("/proc/self/mountinfo");
        ASSERT_TRUE(mounts);
        const auto found = std::find_if(mounts->begin(), mounts->end(),
                                        [](const Mount& mount) { return mount.type == "cgroup2"; });
        ASSERT_NE(found, mounts->end()) << "no cgroup2 is mounted";
        root_ = found->point;
        directory_ = root_ / ("fsm-containers-" + std::to_string(getpid()));
        pod_ = directory_ / "kubepods" / "burstable" / ("pod" + kUid);
        fs::create_directories(pod_);
    }

    void TearDown() override {
        std::error_code ignored;
        std::vector<fs::path> all;
        for (const auto& entry : fs::recursive_directory_iterator(directory_, ignored)) {
            if (entry.is_directory()) {
                all.push_back(entry.path());
            }
        }
        std::for_each(all.rbegin(), all.rend(), [](const fs::path& path) { rmdir(path.c_str()); });
        rmdir(directory_.c_str());
    }

    std::uint64_t make(const fs::path& cgroup) {
        fs::create_directories(cgroup);
        struct stat info {};
        stat(cgroup.c_str(), &info);
        return info.st_ino;
    }

    fs::path root_;
    fs::path directory_;
    fs::path pod_;
};

TEST(ContainersBeside, AreAllThatRunButTheSidecarAndInitContainers) {
    Pod pod;
    const auto add = [&](const char* name, Container::Kind kind) {
        Container container;
        container.name = name;
        container.kind = kind;
        pod.containers.push_back(container);
        pod.running_containers[name] = std::string(name) + "-id";
    };
    add("istio-validation", Container::Kind::init);
    add("istio-proxy", Container::Kind::native_sidecar);
    add("other-sidecar", Container::Kind::native_sidecar);
    add("app", Container::Kind::ordinary);
    pod.running_containers["debugger"] = "debugger-id";  // ephemeral
    const std::set<std::string> others = {"other-sidecar-id", "app-id", "debugger-id"};
    EXPECT_EQ(containers_beside("istio-proxy", pod), others);
}

TEST_F(ContainerCgroupsTest, ALevelIsCountedFromTheRootOfTheHierarchy) {
    EXPECT_EQ(*level_of_cgroup(root_), 0U);
    EXPECT_EQ(*level_of_cgroup(directory_), 1U);
    EXPECT_EQ(*level_of_cgroup(pod_), 4U);
    const auto elsewhere = level_of_cgroup("/proc");
    EXPECT_FALSE(level_of_cgroup("/nowhere"));
    EXPECT_TRUE(!elsewhere || *elsewhere == 0U);
}

TEST_F(ContainerCgroupsTest, FindsContainersInEveryForm) {
    const auto plain = make(pod_ / "aaa");
    const auto scope =
        make(directory_ / "kubepods.slice" /
             "kubepods-pod0f5e8a1c_1b2d_4c3e_9f60_718293a4b5c6.slice" / "crio-bbb.scope");
    make(directory_ / "kubepods.slice" / "kubepods-pod0f5e8a1c_1b2d_4c3e_9f60_718293a4b5c6.slice" /
         "crio-conmon-bbb.scope");
    make(pod_ / "aaa" / "ccc");  // made within a container: it is that container's
    make(directory_ / "ddd");    // not a pod's
    const auto found = find_container_cgroups(directory_, 1, {"aaa", "bbb", "ccc", "ddd", "eee"});
    const std::map<std::string, CgroupOfContainer> expected = {{"aaa", {plain, 5}},
                                                               {"bbb", {scope, 4}}};
    EXPECT_EQ(found, expected);
}

TEST_F(ContainerCgroupsTest, TellsOnceAndFollowsTheStatus) {
    ToldDatapath datapath;
    ContainerCgroups containers(datapath, directory_);
    const auto first = make(pod_ / "aaa");
    containers.set_wanted(kPod, {"aaa"});
    ASSERT_TRUE(containers.refresh(all_attached));
    EXPECT_EQ(datapath.held.at(kPod), (OtherContainers{5, {first}}));
    ASSERT_TRUE(containers.refresh(all_attached));
    EXPECT_EQ(datapath.calls, 1);

    const auto second = make(pod_ / "bbb");
    containers.set_wanted(kPod, {"bbb"});
    ASSERT_TRUE(containers.refresh(all_attached));
    EXPECT_EQ(datapath.held.at(kPod), (OtherContainers{5, {second}}));
    containers.set_wanted(kPod, {});
    ASSERT_TRUE(containers.refresh(all_attached));
    EXPECT_TRUE(datapath.held.at(kPod).cgroups.empty());
}

TEST_F(ContainerCgroupsTest, ACgroupThatComesLaterIsFoundAndOneThatNeverComesIsGivenUp) {
    ToldDatapath datapath;
    ContainerCgroups containers(datapath, directory_);
    containers.set_wanted(kPod, {"aaa", "bbb"});
    ASSERT_TRUE(containers.refresh(all_attached));
    EXPECT_EQ(datapath.calls, 0);
    const auto late = make(pod_ / "aaa");
    ASSERT_TRUE(containers.refresh(all_attached));
    EXPECT_EQ(datapath.held.at(kPod), (OtherContainers{5, {late}}));
    ASSERT_TRUE(containers.refresh(all_attached));
    make(pod_ / "bbb");
    ASSERT_TRUE(containers.refresh(all_attached));
    EXPECT_EQ(datapath.held.at(kPod).cgroups.size(), 1U);
    // Until the pod's status changes again.
    containers.set_wanted(kPod, {"aaa", "bbb", "ccc"});
    ASSERT_TRUE(containers.refresh(all_attached));
    EXPECT_EQ(datapath.held.at(kPod).cgroups.size(), 2U);
}

TEST_F(ContainerCgroupsTest, WhatAnEarlierProcessToldStaysUntilThePodIsKnownOrGone) {
    ToldDatapath datapath;
    datapath.held[kPod] = {5, {99}};
    ContainerCgroups containers(datapath, directory_);
    ASSERT_TRUE(containers.refresh(all_attached));
    EXPECT_EQ(datapath.held.at(kPod), (OtherContainers{5, {99}}));
    ASSERT_TRUE(containers.refresh(none_attached));
    EXPECT_TRUE(datapath.held.at(kPod).cgroups.empty());
}

TEST_F(ContainerCgroupsTest, AFailureIsToldAndTriedAgain) {
    ToldDatapath datapath;
    datapath.failure = "map full";
    ContainerCgroups containers(datapath, directory_);
    const auto cgroup = make(pod_ / "aaa");
    containers.set_wanted(kPod, {"aaa"});
    const auto told = containers.refresh(all_attached);
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error().message(), "map full");
    datapath.failure.clear();
    ASSERT_TRUE(containers.refresh(all_attached));
    EXPECT_EQ(datapath.held.at(kPod), (OtherContainers{5, {cgroup}}));
}

TEST_F(ContainerCgroupsTest, WithoutADirectoryNothingIsLookedFor) {
    ToldDatapath datapath;
    ContainerCgroups containers(datapath, "");
    containers.set_wanted(kPod, {"aaa"});
    EXPECT_TRUE(containers.refresh(all_attached));
    EXPECT_EQ(datapath.calls, 0);
}

}  // namespace
}  // namespace fsm::testing
