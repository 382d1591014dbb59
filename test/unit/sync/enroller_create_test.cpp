#include <unistd.h>

#include <fstream>

#include "test/unit/sync/enroller_fixture.h"

namespace fsm::testing {

namespace {

struct BadRequest {
    std::string name;
    cni::Request request;
    CniErrorCode code;
    std::string mentions;
};

class Create : public EnrollerTest {
  protected:
    static void expect_refusals(Enroller& enroller, const std::vector<BadRequest>& table) {
        for (const auto& row : table) {
            const auto outcome = enroller.create(row.request);
            ASSERT_FALSE(outcome) << row.name;
            EXPECT_EQ(outcome.error().code, row.code) << row.name << ": " << why(outcome);
            EXPECT_NE(why(outcome).find(row.mentions), std::string::npos)
                << row.name << ": " << why(outcome);
        }
    }
};

// With Istio's profile, which has such pods.
class CreateInIstio : public EnrollerTest {
  protected:
    void SetUp() override {
        profile = "istio";
        EnrollerTest::SetUp();
    }
};

TEST_F(CreateInIstio, APodInTheMeshWithoutASidecarIsNamedAndNotIntercepted) {
    const TestNetns netns;
    Pod pod = plain_pod("web");
    pod.uid = "u1";
    pod.labels["istio.io/dataplane-mode"] = "ambient";
    source.put(pod);
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    EXPECT_EQ(only_attachment().membership, Membership::sidecarless);
    EXPECT_EQ(datapath.size(), 0U);
    EXPECT_OK(enroller->check(request_for("web", netns.path())));
    // An attachment that was made without us.
    EXPECT_OK(enroller->check(request_for("web", netns.path(), "other")));
    EXPECT_OK(enroller->status());
    // The label goes: the pod is outside.
    pod.labels.clear();
    source.put(pod);
    enroller->reconcile_pod(pod.name);
    EXPECT_EQ(only_attachment().membership, Membership::not_in_mesh);
}

IpAddress ip(const std::string& text) {
    return *IpAddress::parse(text);
}

TEST_F(Create, EnrolsAPodOfTheMesh) {
    const TestNetns netns;
    source.put(mesh_pod("web", "uid-1"));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));

    ASSERT_TRUE(datapath.enrolled(netns.cookie()));
    const auto enrolment = datapath.enrolment(netns.cookie());
    EXPECT_EQ(enrolment.addresses, std::vector{ip("10.77.0.5")});
    EXPECT_EQ(enrolment.interfaces, std::vector<std::string>{"eth0"});
    EXPECT_EQ(enrolment.policy.sidecar_uid, 1500U);
    EXPECT_EQ(enrolment.policy.outbound.excluded_ranges.count(*Cidr::parse("10.77.0.255")), 1U);
    EXPECT_TRUE(file_exists(attachment_file()));
    const auto state = only_attachment();
    EXPECT_EQ(state.membership, Membership::in_mesh);
    EXPECT_EQ(state.attachment.pod_uid, "uid-1");
    EXPECT_EQ(state.attachment.key.network, "net");
}

TEST_F(Create, PutsTheAddressesOfTheRequestedInterfaceFirst) {
    const TestNetns netns({"link add aaa0 type bridge", "link set aaa0 up",
                           "addr add 192.0.2.9/24 dev aaa0", "addr add 10.77.0.5/24 dev eth0",
                           "addr add fd77::5/64 dev eth0 nodad"});
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    EXPECT_EQ(datapath.enrolment(netns.cookie()).addresses,
              (std::vector{ip("10.77.0.5"), ip("fd77::5"), ip("192.0.2.9")}));
}

TEST_F(Create, LeavesOutTheNetworkOfAnExcludedInterface) {
    options.defaults.excluded_interfaces = {"net1"};
    start();
    const TestNetns netns({"addr add 10.77.0.5/24 dev eth0", "link add net1 type bridge",
                           "link set net1 up", "addr add 192.0.2.9/24 dev net1"});
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    const auto enrolment = datapath.enrolment(netns.cookie());
    EXPECT_EQ(enrolment.interfaces, std::vector<std::string>{"eth0"});
    const auto network = *Cidr::parse("192.0.2.0/24");
    EXPECT_EQ(enrolment.policy.outbound.excluded_ranges.count(network), 1U);
    EXPECT_EQ(enrolment.policy.inbound.excluded_ranges.count(network), 1U);
}

TEST_F(Create, PassesAPodOutsideTheMesh) {
    const TestNetns netns;
    source.put(plain_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    EXPECT_FALSE(datapath.enrolled(netns.cookie()));
    EXPECT_EQ(only_attachment().membership, Membership::not_in_mesh);
    EXPECT_FALSE(only_attachment().reason.empty());
}

// The CNI result and the pod's status are the authority; other addresses on its interfaces are the
// pod's own.
TEST_F(Create, TellsWhatTheClusterHasGivenFromWhatThePodHas) {
    const TestNetns netns;
    netns.run("addr add 10.77.0.99/32 dev lo");
    auto pod = mesh_pod("web");
    pod.addresses = {ip("fd77::5")};
    source.put(pod);
    auto request = request_for("web", netns.path());
    request.stdin_data = R"({"cniVersion":"1.0.0","name":"net","prevResult":
        {"cniVersion":"1.0.0","ips":[{"address":"10.77.0.5/24"}]}})";
    EXPECT_OK(enroller->create(request));
    const auto enrolment = datapath.enrolment(netns.cookie());
    EXPECT_EQ(enrolment.given, (std::set{ip("10.77.0.5"), ip("fd77::5")}));
    EXPECT_EQ(enrolment.addresses, (std::vector{ip("10.77.0.5"), ip("10.77.0.99")}));
}

TEST_F(Create, NamesTheOwnerOfAnAddressThatAPodHasPutOnItsInterfaces) {
    const TestNetns victim;
    const TestNetns attacker({"addr add 10.77.0.6/24 dev eth0"});
    auto pod = mesh_pod("victim");
    pod.addresses = {ip("10.77.0.5")};
    source.put(pod);
    source.put(mesh_pod("attacker"));
    EXPECT_OK(enroller->create(request_for("victim", victim.path(), "c1")));
    attacker.run("addr add 10.77.0.5/32 dev lo");
    EXPECT_OK(enroller->create(request_for("attacker", attacker.path(), "c2")));
    for (const auto& state : enroller->attachments()) {
        if (state.attachment.pod.name == "victim") {
            EXPECT_TRUE(state.problems.empty());
            continue;
        }
        ASSERT_EQ(state.problems.size(), 1U);
        EXPECT_NE(state.problems[0].text.find("10.77.0.5"), std::string::npos);
        EXPECT_NE(state.problems[0].text.find("default/victim"), std::string::npos);
    }
}

TEST_F(Create, FindsAPodThatTheRuntimeNamesWithoutNamespace) {
    const TestNetns netns;
    auto pod = mesh_pod("web");
    pod.name.pod_namespace = "shop";
    source.put(pod);
    auto request = request_for("web", netns.path());
    request.args = "IgnoreUnknown=1;K8S_POD_NAME=web";
    EXPECT_OK(enroller->create(request));
    EXPECT_EQ(only_attachment().attachment.pod.to_string(), "shop/web");
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
}

TEST_F(Create, RefusesANameThatSeveralPodsHave) {
    const TestNetns netns;
    for (const char* pod_namespace : {"a", "b"}) {
        auto pod = mesh_pod("web");
        pod.name.pod_namespace = pod_namespace;
        source.put(pod);
    }
    auto request = request_for("web", netns.path());
    request.args = "K8S_POD_NAME=web";
    EXPECT_CNI_ERROR(enroller->create(request), try_again_later, "a/web as well as b/web");
    EXPECT_FALSE(file_exists(attachment_file()));
}

TEST_F(Create, DoesNotTakeAnEarlierPodOfTheSameNameForTheOneAskedFor) {
    const TestNetns netns;
    source.put(mesh_pod("web", "old"));
    auto request = request_for("web", netns.path());
    request.args += ";K8S_POD_UID=new";
    EXPECT_CNI_ERROR(enroller->create(request), try_again_later, "uid old");
    source.put(mesh_pod("web", "new"));
    EXPECT_OK(enroller->create(request));
}

TEST_F(Create, WaitsForAPodThatBecomesKnown) {
    options.pod_lookup_timeout = std::chrono::seconds(10);
    start();
    const TestNetns netns;
    source.put(mesh_pod("web"));
    source.fail("the watch is being set up");
    std::thread later([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        source.fail("");
    });
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    later.join();
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
}

TEST_F(Create, StopsWaitingWhenTheInterceptorStops) {
    options.pod_lookup_timeout = std::chrono::seconds(30);
    start();
    const TestNetns netns;
    source.fail("never");
    std::thread later([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        enroller->interrupt();
    });
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_CNI_ERROR(enroller->create(request_for("web", netns.path())), try_again_later, "never");
    later.join();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST_F(Create, ReportsAnAddressOfPrevResultThatIsNotThere) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    auto request = request_for("web", netns.path());
    request.stdin_data =
        R"({"name":"net","prevResult":{"ips":[{"address":"10.77.0.5/24"},{"address":"10.77.0.6/24"}]}})";
    EXPECT_OK(enroller->create(request));
    ASSERT_EQ(only_attachment().problems.size(), 1U);
    EXPECT_NE(only_attachment().problems[0].text.find("10.77.0.6"), std::string::npos);
}

TEST_F(Create, IsRepeatable) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    EXPECT_OK(enroller->create(request_for("web", netns.path())));
    EXPECT_EQ(datapath.size(), 1U);
    EXPECT_EQ(enroller->attachments().size(), 1U);
}

TEST_F(Create, ReplacesTheAttachmentWhenTheContainerHasAnotherNamespace) {
    const TestNetns first;
    const TestNetns second;
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", first.path())));
    EXPECT_OK(enroller->create(request_for("web", second.path())));
    EXPECT_FALSE(datapath.enrolled(first.cookie()));
    EXPECT_TRUE(datapath.enrolled(second.cookie()));
}

TEST_F(Create, TellsAttachmentsApartWhoseNamesLookAlike) {
    const TestNetns first;
    const TestNetns second;
    source.put(mesh_pod("web"));
    EXPECT_OK(enroller->create(request_for("web", first.path(), "a-b", "c")));
    EXPECT_OK(enroller->create(request_for("web", second.path(), "a", "b-c")));
    start();
    EXPECT_EQ(enroller->attachments().size(), 2U);
    EXPECT_TRUE(datapath.enrolled(first.cookie()));
    EXPECT_TRUE(datapath.enrolled(second.cookie()));
}

TEST_F(Create, RefusesWhatIsNotWellFormed) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    const cni::Request good = request_for("web", netns.path());
    std::vector<BadRequest> table;
    const auto add = [&](const std::string& name, CniErrorCode code, const std::string& mentions,
                         const std::function<void(cni::Request&)>& spoil) {
        cni::Request bad = good;
        spoil(bad);
        table.push_back({name, bad, code, mentions});
    };
    constexpr auto kEnvironment = CniErrorCode::invalid_environment;
    add("no container id", kEnvironment, "CNI_CONTAINERID",
        [](auto& r) { r.interface.container_id = ""; });
    add("path in container id", kEnvironment, "CNI_CONTAINERID",
        [](auto& r) { r.interface.container_id = "a/../../x"; });
    add("hidden container id", kEnvironment, "CNI_CONTAINERID",
        [](auto& r) { r.interface.container_id = ".a"; });
    add("long container id", kEnvironment, "CNI_CONTAINERID",
        [](auto& r) { r.interface.container_id = std::string(cni::kMaxContainerId + 1, 'a'); });
    add("zero in container id", kEnvironment, "CNI_CONTAINERID",
        [](auto& r) { r.interface.container_id = std::string("a\0b", 3); });
    add("no interface", kEnvironment, "CNI_IFNAME", [](auto& r) { r.interface.ifname = ""; });
    add("long interface", kEnvironment, "CNI_IFNAME",
        [](auto& r) { r.interface.ifname = "sixteencharacter"; });
    add("slash in interface", kEnvironment, "CNI_IFNAME",
        [](auto& r) { r.interface.ifname = "a/b"; });
    add("parent directory", kEnvironment, "CNI_IFNAME", [](auto& r) { r.interface.ifname = ".."; });
    add("no netns", kEnvironment, "CNI_NETNS", [](auto& r) { r.netns = ""; });
    add("relative netns", kEnvironment, "CNI_NETNS", [](auto& r) { r.netns = "netns"; });
    add("netns is a file", kEnvironment, "not a network namespace",
        [](auto& r) { r.netns = "/etc/passwd"; });
    add("netns is a user namespace", kEnvironment, "not a network namespace",
        [](auto& r) { r.netns = "/proc/self/ns/user"; });
    add("netns is a directory", kEnvironment, "CNI_NETNS", [](auto& r) { r.netns = "/tmp"; });
    add("no such netns", kEnvironment, "No such file",
        [](auto& r) { r.netns = "/run/netns/gone"; });
    add("the node's own netns", kEnvironment, "the node's own",
        [](auto& r) { r.netns = "/proc/self/ns/net"; });
    add("args without =", kEnvironment, "KEY=value", [](auto& r) { r.args = "K8S_POD_NAME"; });
    add("args too long", kEnvironment, "CNI_ARGS",
        [](auto& r) { r.args = "A=" + std::string(20000, 'x'); });
    add("stdin is no JSON", CniErrorCode::undecodable, "not valid JSON",
        [](auto& r) { r.stdin_data = "{"; });
    add("stdin is no object", CniErrorCode::undecodable, "not a JSON object",
        [](auto& r) { r.stdin_data = "[]"; });
    add("prevResult is no object", CniErrorCode::invalid_config, "prevResult",
        [](auto& r) { r.stdin_data = R"({"name":"net","prevResult":1})"; });
    add("no network name", CniErrorCode::invalid_config, "name is missing",
        [](auto& r) { r.stdin_data = "{}"; });
    add("prevResult with a bad address", CniErrorCode::invalid_config, "prevResult.ips",
        [](auto& r) { r.stdin_data = R"({"name":"net","prevResult":{"ips":[{"address":"x"}]}})"; });
    expect_refusals(*enroller, table);
    EXPECT_EQ(datapath.size(), 0U);
    EXPECT_TRUE(enroller->attachments().empty());
}

}  // namespace

}  // namespace fsm::testing
