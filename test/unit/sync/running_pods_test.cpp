#include "interceptor/sync/running_pods.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "test/unit/sync/test_netns.h"

namespace fsm {
namespace {

const std::string kUid = "0f5e8a1c-1b2d-4c3e-9f60-718293a4b5c6";
const std::string kUnderlined = "0f5e8a1c_1b2d_4c3e_9f60_718293a4b5c6";
const std::string kId = "4f1c0b6a8d7e5f4c3b2a19080706050403020100ffeeddccbbaa998877665544";

TEST(CgroupPlace, is_read_from_every_form) {
    const CgroupPlace container{kUid, kId, 1};
    for (const std::string& path : {
             "/kubepods/burstable/pod" + kUid + "/" + kId,
             "/kubepods/pod" + kUid + "/" + kId,
             "/kubepods/besteffort/pod" + kUid + "/crio-" + kId,
             "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + kUnderlined +
                 ".slice/cri-containerd-" + kId + ".scope",
             "/kubepods.slice/kubepods-pod" + kUnderlined + ".slice/crio-" + kId + ".scope",
             "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + kUnderlined +
                 ".slice/docker-" + kId + ".scope",
             // kind: a kubelet in a container, with a prefix of its own
             "/docker/0123456789ab/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" +
                 kUnderlined + ".slice/cri-containerd-" + kId + ".scope",
             "/../../pod" + kUid + "/" + kId,  // seen from another cgroup namespace
             "/system.slice/containerd.service/kubepods-burstable-pod" + kUnderlined +
                 ".slice:cri-containerd:" + kId,
         }) {
        auto place = place_in_cgroup(path);
        ASSERT_TRUE(place) << path;
        if (path.find(":cri-containerd:") != std::string::npos) {
            EXPECT_EQ(place->pod_uid, kUid);
            continue;
        }
        EXPECT_EQ(*place, container) << path;
    }
}

TEST(CgroupPlace, knows_how_far_below_the_container_a_process_is) {
    const auto inside = place_in_cgroup("/kubepods/pod" + kUid + "/" + kId + "/docker/0123");
    ASSERT_TRUE(inside);
    EXPECT_EQ(inside->depth, 3U);
    EXPECT_EQ(inside->container_id, kId);
    EXPECT_EQ(place_in_cgroup("/kubepods/pod" + kUid), (CgroupPlace{kUid, "", 0}));
}

TEST(CgroupPlace, of_pods_in_pods_is_the_innermost) {
    const std::string inner = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
    EXPECT_EQ(place_in_cgroup("/kubepods/pod" + kUid + "/" + kId + "/kubelet/kubepods/pod" + inner +
                              "/c1"),
              (CgroupPlace{inner, "c1", 1}));
}

TEST(CgroupPlace, is_none_where_no_pod_is) {
    for (const char* path :
         {"", "/", "/init.scope", "/user.slice/user-0.slice/session-1.scope",
          "/system.slice/podman.service", "/machine.slice/libpod-0123.scope", "/pods", "/pod",
          "/kubepods.slice/kubepods-burstable.slice", "/podinfo-web/x", "/pod../x"}) {
        EXPECT_EQ(place_in_cgroup(path), std::nullopt) << path;
    }
}

TEST(CgroupPlace, is_found_among_the_hierarchies_of_both_versions) {
    const std::string path = "/kubepods/pod" + kUid + "/" + kId;
    const CgroupPlace container{kUid, kId, 1};
    EXPECT_EQ(place_of_process("0::" + path + "\n"), container);
    EXPECT_EQ(place_of_process("11:memory:" + path + "\n1:name=systemd:/init.scope\n0::/\n"),
              container);
    EXPECT_EQ(place_of_process("2:cpu,cpuacct:/\n1:name=systemd:/\n0::" + path), container);
    for (const std::string text : {"", "0::/\n", "garbage", "1:x\n\n:::\n"}) {
        EXPECT_EQ(place_of_process(text), std::nullopt) << text;
    }
}

// The test's own /proc: directories with the files that are read.
class RunningPods : public ::testing::Test {
  protected:
    void SetUp() override { paths = {directory.path() + "/run", directory.path() + "/proc"}; }

    void process(int pid, const std::string& cgroup, const std::string& netns, int started) const {
        const auto folder = std::filesystem::path(paths.proc) / std::to_string(pid);
        std::filesystem::create_directories(folder / "ns");
        std::ofstream(folder / "cgroup") << "0::" << cgroup << "\n";
        std::ofstream(folder / "stat") << pid << " (a) b) (c) S";
        std::ofstream stat(folder / "stat", std::ios::app);
        for (int field = 4; field < 22; ++field) {
            stat << " 0";
        }
        stat << " " << started << " 0 0\n";
        stat.close();
        std::filesystem::create_symlink(this->netns(netns), folder / "ns/net");
    }
    std::string netns(const std::string& name) const {
        const std::string path = directory.path() + "/ns-" + name;
        std::ofstream(path, std::ios::app).flush();
        return path;
    }
    NetnsIdentity identity(const std::string& name) const {
        struct stat info {};
        stat(netns(name).c_str(), &info);
        return {info.st_dev, info.st_ino};
    }
    std::map<std::string, RunningPod> find(const std::set<std::string>& uids) const {
        auto found = find_running_pods(paths, uids, {identity("host")});
        EXPECT_TRUE(found) << found.error().message();
        return found ? *found : std::map<std::string, RunningPod>();
    }

    testing::TestDirectory directory;
    HostPaths paths;
    const std::string pod = "/kubepods/pod" + kUid;
};

TEST_F(RunningPods, the_first_process_of_a_pod_tells_its_sandbox_and_its_namespace) {
    process(30, pod + "/application", "pod", 500);
    process(2000, pod + "/sandbox", "pod", 100);  // pids start over
    process(31, "/kubepods/pod11111111-2222/other", "other", 1);
    const auto found = find({kUid});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found.at(kUid).container_id, "sandbox");
    EXPECT_EQ(found.at(kUid).netns, identity("pod"));
    EXPECT_EQ(found.at(kUid).netns_path, paths.proc + "/2000/ns/net");
}

TEST_F(RunningPods, the_file_of_the_runtime_outlives_a_process) {
    process(30, pod + "/sandbox", "pod", 1);
    for (const std::string folder : {"/docker/netns", "/netns"}) {
        std::filesystem::create_directories(paths.var_run + folder);
        std::filesystem::create_symlink(netns("other"), paths.var_run + folder + "/cni-1");
        std::filesystem::create_symlink(netns("pod"), paths.var_run + folder + "/cni-2");
        EXPECT_EQ(find({kUid}).at(kUid).netns_path, paths.var_run + folder + "/cni-2");
    }
}

TEST_F(RunningPods, containers_of_a_container_and_the_nodes_own_namespace_do_not_count) {
    process(30, pod + "/application", "pod", 500);
    process(31, pod + "/application/docker/1", "nested", 1);
    process(32, pod + "/conmon", "host", 1);
    EXPECT_EQ(find({kUid}).at(kUid).netns, identity("pod"));
}

TEST_F(RunningPods, a_pod_of_the_nodes_namespace_is_never_found) {
    process(30, pod + "/application", "host", 1);
    EXPECT_TRUE(find({kUid}).empty());
}

TEST_F(RunningPods, a_process_that_ends_meanwhile_is_passed_over) {
    process(30, pod + "/application", "pod", 500);
    std::filesystem::create_directories(paths.proc + "/31");
    process(32, pod + "/gone", "pod", 1);
    std::filesystem::remove(paths.proc + "/32/stat");
    EXPECT_EQ(find({kUid}).at(kUid).container_id, "application");
}

TEST_F(RunningPods, processes_that_cannot_be_listed_are_an_error) {
    const auto found = find_running_pods({"/run", directory.path() + "/none"}, {kUid}, {});
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().message().find(directory.path() + "/none"), std::string::npos);
}

}  // namespace
}  // namespace fsm
