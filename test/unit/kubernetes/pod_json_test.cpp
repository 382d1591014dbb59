#include "interceptor/kubernetes/pod_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "interceptor/pod/manifest.h"

namespace fsm::testing {

namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* kPod = R"({
  "apiVersion": "v1", "kind": "Pod",
  "metadata": {"name": "web-0", "namespace": "shop", "uid": "u-1", "resourceVersion": "5",
    "labels": {"app": "web", "status": "kept", "volumes": "kept"},
    "annotations": {"flomesh.io/sidecar-injection": "enabled", "managedFields": "kept",
                    "kubectl.kubernetes.io/last-applied-configuration": "{}"},
    "managedFields": [{"manager": "kubelet"}]},
  "spec": {"hostUsers": false, "nodeName": "n1", "volumes": [{"name": "v"}],
    "securityContext": {"runAsUser": 1000, "runAsGroup": 1001},
    "initContainers": [
      {"name": "setup"},
      {"name": "sidecar", "restartPolicy": "Always", "securityContext": {"runAsUser": 1500}}],
    "containers": [{"name": "app", "args": ["a", "--b"],
      "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {}}},
              {"name": "C"}]}]},
  "status": {"phase": "Running", "podIPs": [{"ip": "10.1.0.5", "x": 1}, {"ip": "fd00::5"}],
    "conditions": [{"type": "Ready", "name": "n", "ip": "10.9.9.9"}],
    "initContainerStatuses": [
      {"name": "setup", "containerID": "containerd://s1", "state": {"terminated": {"exitCode": 0}}},
      {"name": "sidecar", "containerID": "containerd://s2", "state": {"running": {"startedAt": "x"}}}],
    "containerStatuses": [
      {"name": "app", "image": "i", "containerID": "cri-o://s3", "lastState": {"running": {}},
       "state": {"running": {"startedAt": "x"}}}],
    "ephemeralContainerStatuses": [
      {"name": "debugger", "containerID": "containerd://s4", "state": {"running": {}}},
      {"name": "late", "state": {"waiting": {}}}]}})";

Result<Pod> pod_of(const std::string& text) {
    auto object = parse_api_json(text, JsonForm::object);
    return object ? read_api_pod(*object) : Result<Pod>(object.error());
}

TEST(PodJson, SaysTheSameAsTheManifest) {
    const auto pod = pod_of(kPod);
    ASSERT_TRUE(pod) << pod.error().message();
    auto manifests = parse_manifests(kPod, "test");
    ASSERT_TRUE(manifests) << manifests.error().message();
    manifests->front().annotations.erase("kubectl.kubernetes.io/last-applied-configuration");
    EXPECT_EQ(*pod, manifests->front());
    EXPECT_EQ(pod->containers.at(1).kind, Container::Kind::native_sidecar);
    EXPECT_EQ(pod->containers.at(1).run_as_user, 1500U);
    EXPECT_EQ(pod->containers.at(1).run_as_group, 1001U);
    EXPECT_TRUE(pod->user_namespace);
    EXPECT_EQ(pod->addresses,
              (std::set{*IpAddress::parse("10.1.0.5"), *IpAddress::parse("fd00::5")}));
    EXPECT_EQ(pod->labels.at("status"), "kept");
    EXPECT_EQ(pod->labels.at("volumes"), "kept");
    EXPECT_EQ(pod->annotations.at("managedFields"), "kept");
}

TEST(PodJson, LeavesOutWhatNobodyReads) {
    const auto object = *parse_api_json(kPod, JsonForm::object);
    EXPECT_EQ(object.at("status").at("podIPs").at(0), json::parse(R"({"ip": "10.1.0.5"})"));
    EXPECT_FALSE(object.at("status").contains("phase"));
    EXPECT_FALSE(object.at("status").contains("conditions"));
    EXPECT_EQ(
        object.at("status").at("containerStatuses"),
        json::parse(R"([{"name": "app", "containerID": "cri-o://s3", "state": {"running": {}}}])"));
    EXPECT_FALSE(object.at("metadata").contains("managedFields"));
    EXPECT_FALSE(object.at("spec").contains("volumes"));
    const auto list = *parse_api_json(std::string("{\"items\":[") + kPod + "]}", JsonForm::list);
    EXPECT_EQ(list.at("items").at(0).at("status"), object.at("status"));
    const auto event = *parse_api_json(std::string("{\"type\":\"ADDED\",\"object\":") + kPod + "}",
                                       JsonForm::event);
    EXPECT_FALSE(event.at("object").at("metadata").contains("managedFields"));
}

TEST(PodJson, SaysWhichContainersRun) {
    const auto pod = pod_of(kPod);
    ASSERT_TRUE(pod) << pod.error().message();
    const std::map<std::string, std::string> running = {
        {"sidecar", "s2"}, {"app", "s3"}, {"debugger", "s4"}};
    EXPECT_EQ(pod->running_containers, running);
}

TEST(PodJson, AStaticPodHasTheUidOfItsNode) {
    json object = json::parse(kPod);
    object["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "static-uid";
    EXPECT_EQ(read_api_pod(object)->uid, "static-uid");
}

TEST(PodJson, NamesTheFieldThatIsWrong) {
    const std::pair<const char*, json> changes[] = {
        {"/metadata/name", "Not A Name"},
        {"/metadata/namespace", "../etc"},
        {"/metadata/labels", 5},
        {"/metadata/annotations/x", 5},
        {"/spec/hostNetwork", "yes"},
        {"/spec/containers", json::array()},
        {"/spec/containers/0/name", nullptr},
        {"/spec/containers/0/args", json::array({1})},
        {"/spec/securityContext/runAsUser", -1},
        {"/spec/initContainers", json::object()},
        {"/spec", nullptr},
    };
    for (const auto& [path, value] : changes) {
        json object = json::parse(kPod);
        object[json::json_pointer(path)] = value;
        const auto pod = read_api_pod(object);
        ASSERT_FALSE(pod) << path;
        const std::string key = std::string(path).substr(std::string(path).rfind('/') + 1);
        EXPECT_THAT(pod.error().message(), HasSubstr(key)) << path;
    }
    EXPECT_FALSE(read_api_pod(json()));
    EXPECT_FALSE(read_api_pod(json::array()));
}

}  // namespace

}  // namespace fsm::testing
