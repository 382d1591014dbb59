// Manifests: the pods read from them, and the messages about invalid ones.
#include "interceptor/pod/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace fsm::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::vector<Pod> pods_in(const std::string& text) {
    auto pods = parse_manifests(text, "m.yaml");
    if (!pods) {
        ADD_FAILURE() << pods.error().message();
        return {};
    }
    return *std::move(pods);
}

const char* const kWholePod = R"(apiVersion: v1
kind: Pod
metadata:
  name: web-1.a
  namespace: shop
  uid: 3f0c
  labels: {app: web, "fsm-proxy-uuid": "77"}
  annotations:
    flomesh.io/port: 15021
    empty:
    quoted: "a \"b\""
spec:
  hostUsers: false
  securityContext: {runAsUser: 1000, runAsGroup: 1001}
  initContainers:
  - name: once
    image: x
  - name: sidecar
    restartPolicy: Always
    securityContext: {runAsUser: 1500}
    args: [proxy, sidecar]
    env:
    - {name: A, value: "1"}
    - {name: B, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: C}
  containers:
  - name: app
    image: nginx
    ports: [{containerPort: 80}]
)";

TEST(Manifest, WholePod) {
    const std::vector<Pod> pods = pods_in(kWholePod);
    ASSERT_EQ(pods.size(), 1U);
    Pod expected;
    expected.name = {"shop", "web-1.a"};
    expected.uid = "3f0c";
    expected.labels = {{"app", "web"}, {"fsm-proxy-uuid", "77"}};
    expected.annotations = {{"flomesh.io/port", "15021"}, {"empty", ""}, {"quoted", "a \"b\""}};
    expected.user_namespace = true;
    Container once;
    once.name = "once";
    once.kind = Container::Kind::init;
    once.run_as_user = 1000;
    once.run_as_group = 1001;
    Container sidecar = once;
    sidecar.name = "sidecar";
    sidecar.kind = Container::Kind::native_sidecar;
    sidecar.run_as_user = 1500;
    sidecar.arguments = {"proxy", "sidecar"};
    sidecar.environment = {{"A", "1"}, {"C", ""}};
    Container app = once;
    app.name = "app";
    app.kind = Container::Kind::ordinary;
    expected.containers = {once, sidecar, app};
    EXPECT_EQ(pods[0], expected);
}

TEST(Manifest, DefaultsOfAPod) {
    const std::vector<Pod> pods =
        pods_in("kind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c}]}\n");
    ASSERT_EQ(pods.size(), 1U);
    EXPECT_EQ(pods[0].name, (PodName{"default", "a"}));
    EXPECT_FALSE(pods[0].host_network);
    EXPECT_FALSE(pods[0].user_namespace);
    EXPECT_EQ(pods[0].containers[0].run_as_user, std::nullopt);
}

TEST(Manifest, Json) {
    const std::vector<Pod> pods = pods_in(R"({
	"apiVersion": "v1", "kind": "Pod",
	"metadata": {"name": "a", "namespace": null, "annotations": {"x\/y": "caf\u00e9"}},
	"spec": {"hostNetwork": true, "containers": [{"name": "c", "args": null}]}
})");
    ASSERT_EQ(pods.size(), 1U);
    EXPECT_TRUE(pods[0].host_network);
    EXPECT_EQ(pods[0].annotations.at("x/y"), "caf\xc3\xa9");
}

std::string pod_named(const std::string& name) {
    return "kind: Pod\nmetadata: {name: " + name + "}\nspec: {containers: [{name: c}]}\n";
}

struct NamesCase {
    const char* description;
    std::string text;
    std::vector<std::string> names;
};

const NamesCase kDocuments[] = {
    {"nothing", "", {}},
    {"comments", "# nothing here\n", {}},
    {"empty documents", "---\n---\n", {}},
    {"several documents", pod_named("a") + "---\n" + pod_named("b") + "---\n", {"a", "b"}},
    {"other kinds are passed over",
     "kind: Deployment\nmetadata: {name: d}\n---\nkind: StatefulSet\n---\nkind: DaemonSet\n---\n"
     "kind: ConfigMap\ndata: [1]\n---\n" +
         pod_named("a"),
     {"a"}},
    {"a list",
     "kind: List\nitems:\n- {kind: Pod, metadata: {name: a}, spec: {containers: [{name: c}]}}\n"
     "- {kind: Service, metadata: {name: s}}\n"
     "- {kind: Pod, metadata: {name: b}, spec: {containers: [{name: c}]}}\n",
     {"a", "b"}},
    {"a list of pods that do not say what they are",
     "kind: PodList\nitems:\n- {metadata: {name: a}, spec: {containers: [{name: c}]}}\n",
     {"a"}},
    {"an empty list", "kind: List\nitems: []\n", {}},
    {"a list without items", "kind: List\n", {}},
    {"aliases",
     "kind: List\nitems:\n- {kind: Pod, metadata: {name: a}, spec: &s {containers: [{name: c}]}}\n"
     "- {kind: Pod, metadata: {name: b}, spec: *s}\n",
     {"a", "b"}},
};

TEST(Manifest, WhichPodsATextHas) {
    for (const NamesCase& each : kDocuments) {
        SCOPED_TRACE(each.description);
        std::vector<std::string> names;
        for (const Pod& pod : pods_in(each.text)) {
            names.push_back(pod.name.name);
        }
        EXPECT_EQ(names, each.names);
    }
}

struct WrongManifest {
    const char* description;
    std::string text;
    const char* place;
    const char* what;
};

std::string pod_with_spec(const char* spec) {
    return std::string("kind: Pod\nmetadata: {name: a}\nspec:\n") + spec;
}

const WrongManifest kWrongManifests[] = {
    {"not YAML", "kind: Pod\nmetadata: {name: a\n", "m.yaml:3", "not valid YAML"},
    {"a tab", "kind: Pod\n\tmetadata: {}\n", "m.yaml:2", "not valid YAML"},
    {"a comma", ",", "m.yaml:1", "not valid YAML"},
    {"a bracket that closes nothing", pod_named("a") + "---\n]\n", "m.yaml:5", "not valid YAML"},
    {"an undefined alias", "kind: *a\n", "m.yaml:1", "not valid YAML"},
    {"binary",
     std::string("\x7f"
                 "ELF\x02\x01\x01\0\0",
                 9),
     "m.yaml", ""},
    {"a list", "- kind: Pod\n", "m.yaml:1", "must be a mapping"},
    {"a word", "Pod\n", "m.yaml:1", "must be a mapping"},
    {"no kind", "metadata: {name: a}\n", "m.yaml:1", "key kind: is missing"},
    {"kind is a list", "kind: [Pod]\n", "m.yaml:1", "key kind: must be a single value"},
    {"no metadata", "kind: Pod\nspec: {containers: [{name: c}]}\n", "m.yaml:1",
     "key metadata: is missing"},
    {"no name", "kind: Pod\nmetadata: {generateName: a-}\nspec: {containers: [{name: c}]}\n",
     "m.yaml:2", "key metadata.name: is missing"},
    {"no spec", "kind: Pod\nmetadata: {name: a}\n", "m.yaml:1", "key spec: is missing"},
    {"no containers", pod_with_spec("  hostNetwork: false\n"), "m.yaml:4", "at least one"},
    {"a name with capitals", pod_named("Web"), "m.yaml:2", "\"Web\" is not a pod's name"},
    {"a name that is a path", pod_named("../../etc"), "m.yaml:2", "is not a pod's name"},
    {"a name with a slash", pod_named("a/b"), "m.yaml:2", "is not a pod's name"},
    {"a name that begins with a dot", pod_named(".a"), "m.yaml:2", "is not a pod's name"},
    {"an empty name", pod_named("''"), "m.yaml:2", "must not be empty"},
    {"a name too long", pod_named(std::string(254, 'a')), "m.yaml:2", "is not a pod's name"},
    {"a namespace with a dot",
     "kind: Pod\nmetadata: {name: a,\n  namespace: a.b}\nspec: {containers: [{name: c}]}\n",
     "m.yaml:3", "is not a namespace"},
    {"an empty namespace",
     "kind: Pod\nmetadata: {name: a, namespace: ''}\nspec: {containers: [{name: c}]}\n", "m.yaml:2",
     "is not a namespace"},
    {"labels are a list",
     "kind: Pod\nmetadata:\n  name: a\n  labels: [x]\nspec: {containers: [{name: c}]}\n",
     "m.yaml:4", "key metadata.labels: must be a mapping"},
    {"an annotation is a mapping",
     "kind: Pod\nmetadata:\n  name: a\n  annotations:\n    x: {y: z}\nspec: {containers: [{name: "
     "c}]}\n",
     "m.yaml:5", "key metadata.annotations.x: must be a single value"},
    {"an annotation twice", "kind: Pod\nmetadata:\n  name: a\n  annotations:\n    x: 1\n    x: 2\n",
     "m.yaml:6", "key metadata.annotations.x: is given twice"},
    {"the containers are a mapping", pod_with_spec("  containers: {name: c}\n"), "m.yaml:4",
     "key spec.containers: must be a list"},
    {"a container without a name", pod_with_spec("  containers:\n  - image: x\n"), "m.yaml:5",
     "key spec.containers[0].name: is missing"},
    {"a uid that is a word",
     pod_with_spec("  containers:\n  - name: c\n    securityContext: {runAsUser: root}\n"),
     "m.yaml:6", "key spec.containers[0].securityContext.runAsUser: \"root\" is not a number"},
    {"a uid that is negative", pod_with_spec("  securityContext: {runAsUser: -1}\n"), "m.yaml:4",
     "\"-1\" is not a number from 0 to 4294967294"},
    {"a switch that is none", pod_with_spec("  hostNetwork: maybe\n"), "m.yaml:4",
     "key spec.hostNetwork: \"maybe\" is neither true nor false"},
    {"a variable without a name",
     pod_with_spec("  containers:\n  - name: c\n    env: [{value: x}]\n"), "m.yaml:6",
     "env[0].name: is missing"},
    {"a pod twice", pod_named("a") + "---\n" + pod_named("a"), "m.yaml:5",
     "pod default/a is described twice"},
    {"a list in a list", "kind: List\nitems:\n- {kind: List, items: []}\n", "m.yaml:3",
     "cannot be an item"},
    {"a list that contains itself", "&l\nkind: List\nitems: [*l]\n", "m.yaml:2",
     "cannot be an item"},
    {"the items are a mapping", "kind: List\nitems: {a: b}\n", "m.yaml:2", "must be a list"},
    {"a good document before a bad one", pod_named("a") + "---\nkind: Pod\n", "m.yaml:5",
     "is missing"},
    {"depth of lists", std::string(100'000, '['), "m.yaml:1", "too deeply"},
    {"depth of mappings", "kind: Pod\nx: " + std::string(100'000, '{'), "m.yaml:2", "too deeply"},
    {"too large", std::string((1 << 20) + 1, '#'), "m.yaml", "split it"},
};

TEST(Manifest, WhatIsWrongIsNamedWithFileAndLine) {
    for (const WrongManifest& each : kWrongManifests) {
        SCOPED_TRACE(each.description);
        const auto pods = parse_manifests(each.text, "m.yaml");
        ASSERT_FALSE(pods);
        EXPECT_THAT(pods.error().message(), StartsWith(std::string(each.place) + ":"));
        EXPECT_THAT(pods.error().message(), HasSubstr(each.what));
    }
}

TEST(Manifest, MessagesArePrintable) {
    const auto pods = parse_manifests(
        "kind: Pod\nmetadata: {name: a, labels: {\"caf\xc3\xa9\\n\": 1, \"caf\xc3\xa9\\n\": 2}}\n",
        "m.yaml");
    ASSERT_FALSE(pods);
    for (const char character : pods.error().message()) {
        EXPECT_GE(character, ' ');
    }
}

// The expansion of a text by its aliases is bounded by its size.
TEST(Manifest, AliasBombsEndQuickly) {
    std::string labels = "kind: Pod\nmetadata:\n  name: a\n  labels:\n    a0: &big " +
                         std::string(500'000, 'x') + "\n";
    for (int index = 1; index < 20'000; ++index) {
        labels += "    a" + std::to_string(index) + ": *big\n";
    }
    std::string containers =
        "kind: List\nitems:\n- &p\n  kind: Pod\n  metadata: {name: a}\n"
        "  spec: {containers: &c [";
    for (int index = 0; index < 10'000; ++index) {
        containers += "{name: c},";
    }
    containers += "]}\n";
    for (int index = 0; index < 100'000; ++index) {
        containers += "- *p\n";
    }
    for (const std::string& text : {labels, containers}) {
        ASSERT_LE(text.size(), kManifestSizeLimit);
        const auto begin = std::chrono::steady_clock::now();
        const auto pods = parse_manifests(text, "m.yaml");
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
        EXPECT_FALSE(pods);
    }
}

}  // namespace
}  // namespace fsm::test
