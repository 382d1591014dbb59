// Running pods without an attachment: a real Enroller, a real network namespace, and the test's own
// /proc with a process in it.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "test/unit/sync/enroller_fixture.h"

namespace fsm::testing {
namespace {

const std::string kUid = "0f5e8a1c-1b2d-4c3e-9f60-718293a4b5c6";

class Running : public EnrollerTest {
  protected:
    void SetUp() override {
        options.host_paths = {directory.path() + "/run", proc};
        std::filesystem::create_directories(proc);
        start();
    }

    void run_process(const std::string& container, const std::string& netns_path,
                     const std::string& uid = kUid, int pid = 100, std::uint64_t ticks = 7) {
        const auto folder = std::filesystem::path(proc) / std::to_string(pid);
        std::filesystem::create_directories(folder / "ns");
        std::ofstream(folder / "cgroup") << "0::/kubepods/pod" << uid << "/" << container << "\n";
        std::ofstream(folder / "stat")
            << pid << " (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 " << ticks << " 0\n";
        std::filesystem::remove(folder / "ns/net");
        std::filesystem::create_symlink(netns_path, folder / "ns/net");
    }
    void end_process(int pid = 100) {
        std::filesystem::remove_all(std::filesystem::path(proc) / std::to_string(pid));
    }
    cni::Request request(const std::string& container, const std::string& netns_path,
                         const std::string& uid = kUid) const {
        auto request = request_for("web", netns_path, container);
        request.args += ";K8S_POD_UID=" + uid;
        return request;
    }

    TestNetns netns;
    const std::string proc = directory.path() + "/proc";
};

TEST_F(Running, a_pod_that_ran_before_the_interceptor_is_enrolled_at_its_start) {
    run_process("sandbox", netns.path());
    source.put(mesh_pod("web", kUid));
    start();
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    const auto state = only_attachment();
    EXPECT_EQ(state.membership, Membership::in_mesh);
    EXPECT_EQ(state.attachment.key, (AttachmentKey{"sandbox", "eth0", ""}));
    EXPECT_EQ(state.attachment.pod_uid, kUid);
    EXPECT_TRUE(state.attachment.found_running);
    EXPECT_TRUE(file_exists(attachment_file({"sandbox", "eth0", ""})));
}

TEST_F(Running, a_pod_that_starts_without_us_is_enrolled_by_a_pass) {
    source.put(mesh_pod("web", kUid));
    run_process("sandbox", netns.path());
    enroller->enrol_running();
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    enroller->enrol_running();
    EXPECT_EQ(datapath.enrol_calls(), 1);
}

TEST_F(Running, a_pod_that_started_although_the_entry_stood_in_the_chain_is_a_problem) {
    const auto ticks_per_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
    ChainUse use;
    enroller->set_chain_use(use);
    use.entry_present("/etc/cni/net.d/00-podman.conflist", std::chrono::seconds(1000));
    run_process("sandbox", netns.path(), kUid, 100, 1020 * ticks_per_second);
    source.put(mesh_pod("web", kUid));
    enroller->enrol_running();
    ASSERT_EQ(use.problems().size(), 1U);
    EXPECT_NE(use.problems()[0].text.find("00-podman.conflist"), std::string::npos);
    EXPECT_OK(enroller->create(request("sandbox", netns.path())));
    EXPECT_TRUE(use.problems().empty());
}

TEST_F(Running, a_pod_that_joins_the_mesh_is_found_then) {
    run_process("sandbox", netns.path());
    auto pod = mesh_pod("web", kUid);
    pod.annotations["flomesh.io/sidecar-injection"] = "disabled";
    source.put(pod);
    enroller->enrol_running();
    EXPECT_EQ(datapath.size(), 0U);
    EXPECT_TRUE(enroller->attachments().empty());
    source.put(mesh_pod("web", kUid));
    enroller->enrol_running();
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
}

TEST_F(Running, a_refused_pod_is_not_called_in_mesh_and_says_why) {
    auto pod = mesh_pod("web", kUid);
    pod.containers.back().run_as_user = 4711;
    source.put(pod);
    run_process("sandbox", netns.path());
    enroller->enrol_running();
    EXPECT_FALSE(datapath.enrolled(netns.cookie()));
    const auto state = only_attachment();
    EXPECT_EQ(state.membership, Membership::refused);
    ASSERT_EQ(state.problems.size(), 1U);
    EXPECT_NE(state.problems[0].text.find("runs without interception"), std::string::npos);
    EXPECT_NE(state.problems[0].text.find("set its runAsUser to 1500"), std::string::npos);
    EXPECT_CNI_ERROR(enroller->check(request("sandbox", netns.path())), not_enrolled,
                     "set its runAsUser to 1500");
    source.put(mesh_pod("web", kUid));
    enroller->reconcile(ReconcileDepth::settings);
    EXPECT_TRUE(datapath.enrolled(netns.cookie())) << "as soon as it can be";
    EXPECT_EQ(only_attachment().membership, Membership::in_mesh);
}

TEST_F(Running, a_pod_of_an_excluded_namespace_is_left_alone) {
    options.defaults.excluded_namespaces = {"default"};
    start();
    source.put(mesh_pod("web", kUid));
    run_process("sandbox", netns.path());
    enroller->enrol_running();
    EXPECT_EQ(datapath.size(), 0U);
    EXPECT_TRUE(enroller->attachments().empty());
}

TEST_F(Running, kube_dns_is_left_alone) {
    Pod pod;
    pod.name = {"default", "web"};
    pod.uid = kUid;
    pod.labels["k8s-app"] = "kube-dns";
    for (const char* name : {"kubedns", "dnsmasq", "sidecar"}) {
        pod.containers.push_back(container_named(name));
    }
    source.put(pod);
    run_process("sandbox", netns.path());
    enroller->enrol_running();
    EXPECT_EQ(datapath.size(), 0U);
    EXPECT_TRUE(enroller->attachments().empty());
}

TEST_F(Running, pods_of_the_nodes_network_and_without_uid_are_left_alone) {
    auto pod = mesh_pod("web", kUid);
    pod.host_network = true;
    source.put(pod);
    run_process("sandbox", netns.path());
    enroller->enrol_running();
    source.put(mesh_pod("web", ""));
    enroller->enrol_running();
    EXPECT_EQ(datapath.size(), 0U);
}

TEST_F(Running, a_process_in_the_nodes_own_namespace_is_not_followed_there) {
    source.put(mesh_pod("web", kUid));
    run_process("sandbox", "/proc/self/ns/net");
    enroller->enrol_running();
    EXPECT_EQ(datapath.size(), 0U);
    EXPECT_TRUE(enroller->attachments().empty());
}

TEST_F(Running, a_namespace_without_addresses_is_the_runtimes_to_finish) {
    const TestNetns bare(std::vector<std::string>{});
    source.put(mesh_pod("web", kUid));
    run_process("sandbox", bare.path());
    enroller->enrol_running();
    EXPECT_TRUE(enroller->attachments().empty());
}

TEST_F(Running, a_pod_of_another_uid_is_another_pod) {
    run_process("sandbox", netns.path());
    source.put(mesh_pod("web", "11111111-2222-3333-4444-555555555555"));
    enroller->enrol_running();
    EXPECT_EQ(datapath.size(), 0U);
}

// The source has the node's own uid of it (PodJson.AStaticPodHasTheUidOfItsNode).
TEST_F(Running, a_static_pod_is_found_by_the_uid_that_the_node_gave_it) {
    source.put(mesh_pod("web", "0123456789abcdef0123456789abcdef"));
    run_process("sandbox", netns.path(), "0123456789abcdef0123456789abcdef");
    enroller->enrol_running();
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
}

TEST_F(Running, what_the_runtime_attached_is_not_looked_for) {
    source.put(mesh_pod("web", kUid));
    EXPECT_OK(enroller->create(request("c1", netns.path())));
    run_process("sandbox", netns.path());
    enroller->enrol_running();
    EXPECT_EQ(only_attachment().attachment.key.container_id, "c1");
}

TEST_F(Running, a_failure_stays_at_the_pod_and_is_tried_again) {
    source.put(mesh_pod("web", kUid));
    run_process("sandbox", netns.path());
    datapath.enrol_failure = "no more room";
    enroller->enrol_running();
    EXPECT_EQ(only_attachment().failure, "no more room");
    EXPECT_CNI_ERROR(enroller->status(), limited_connectivity, "no more room");
    datapath.enrol_failure.clear();
    enroller->reconcile(ReconcileDepth::settings);
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    EXPECT_OK(enroller->status());
}

// The runtime's key differs from ours if no process of the sandbox was found.
TEST_F(Running, del_finds_it_by_the_key_the_namespace_or_the_uid) {
    source.put(mesh_pod("web", kUid));
    run_process("sandbox", netns.path());
    for (const auto& del : {request("sandbox", "", ""), request("other", netns.path(), ""),
                            request("other", "", kUid)}) {
        start();
        ASSERT_TRUE(datapath.enrolled(netns.cookie()));
        EXPECT_OK(enroller->remove(del));
        EXPECT_EQ(datapath.size(), 0U);
        EXPECT_TRUE(enroller->attachments().empty());
        EXPECT_FALSE(file_exists(attachment_file({"sandbox", "eth0", ""})));
    }
}

TEST_F(Running, del_of_another_interface_or_pod_leaves_it_alone) {
    source.put(mesh_pod("web", kUid));
    run_process("sandbox", netns.path());
    enroller->enrol_running();
    auto other_interface = request("other", netns.path());
    other_interface.interface.ifname = "net1";
    EXPECT_OK(enroller->remove(other_interface));
    EXPECT_EQ(only_attachment().attachment.key.ifname, "eth0");
    EXPECT_OK(enroller->remove(request("other", "", "11111111-2222")));
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
}

TEST_F(Running, check_finds_it_too) {
    source.put(mesh_pod("web", kUid));
    EXPECT_CNI_ERROR(enroller->check(request("other", netns.path())), not_enrolled, "found");
    run_process("sandbox", netns.path());
    enroller->enrol_running();
    EXPECT_OK(enroller->check(request("other", netns.path())));
    datapath.check_failure = "the link is gone";
    EXPECT_CNI_ERROR(enroller->check(request("other", netns.path())), not_enrolled, "link");
}

TEST_F(Running, a_collection_of_garbage_leaves_it_alone) {
    source.put(mesh_pod("web", kUid));
    run_process("sandbox", netns.path());
    enroller->enrol_running();
    EXPECT_OK(enroller->collect_garbage(R"({"name":"net","cni.dev/valid-attachments":[]})"));
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
}

TEST_F(Running, the_runtimes_add_takes_it_over) {
    source.put(mesh_pod("web", kUid));
    run_process("sandbox", netns.path());
    enroller->enrol_running();
    EXPECT_OK(enroller->create(request("c1", netns.path())));
    EXPECT_EQ(only_attachment().attachment.key.container_id, "c1");
    EXPECT_FALSE(only_attachment().attachment.found_running);
    EXPECT_FALSE(file_exists(attachment_file({"sandbox", "eth0", ""})));
    EXPECT_OK(enroller->remove(request("c1", "")));
    EXPECT_EQ(datapath.size(), 0U);
}

TEST_F(Running, it_is_remembered_over_a_restart) {
    source.put(mesh_pod("web", kUid));
    run_process("sandbox", netns.path());
    enroller->enrol_running();
    start();
    EXPECT_TRUE(only_attachment().attachment.found_running);
    EXPECT_OK(enroller->remove(request("other", netns.path())));
    EXPECT_EQ(datapath.size(), 0U);
}

TEST_F(Running, the_loss_of_its_namespace_cleans_up) {
    source.put(mesh_pod("web", kUid));
    run_process("sandbox", netns.path());
    enroller->enrol_running();
    end_process();
    netns.lose();
    enroller->reconcile(ReconcileDepth::settings);
    EXPECT_EQ(datapath.size(), 0U);
    EXPECT_TRUE(enroller->attachments().empty());
}

TEST_F(Running, the_end_of_the_process_by_which_it_was_found_is_not_the_end_of_the_pod) {
    source.put(mesh_pod("web", kUid));
    run_process("sandbox", netns.path());
    enroller->enrol_running();
    run_process("application", netns.path(), kUid, 200);
    end_process();
    enroller->reconcile(ReconcileDepth::settings);
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    EXPECT_EQ(only_attachment().attachment.netns_path, proc + "/200/ns/net");
    EXPECT_EQ(datapath.enrol_calls(), 1);
}

TEST_F(Running, nothing_is_enrolled_that_cannot_be_remembered) {
    source.put(mesh_pod("web", kUid));
    run_process("sandbox", netns.path());
    std::filesystem::remove_all(directory.path() + "/attachments");
    enroller->enrol_running();
    EXPECT_EQ(datapath.size(), 0U);
    EXPECT_EQ(problems().size(), 1U);
    std::filesystem::create_directories(directory.path() + "/attachments");
    source.erase({"default", "web"});
    enroller->enrol_running();
    EXPECT_TRUE(problems().empty()) << problems().front();
}

}  // namespace
}  // namespace fsm::testing
