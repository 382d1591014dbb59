#include "interceptor/kubernetes/node_selection.h"

#include <gtest/gtest.h>

namespace fsm::testing {

namespace {

using nlohmann::json;

json daemon_set(json pod_spec) {
    return {{"spec", {{"template", {{"spec", std::move(pod_spec)}}}}}};
}

json node(const json& labels, const json& taints = json::array()) {
    return {{"metadata", {{"name", "n1"}, {"labels", labels}}}, {"spec", {{"taints", taints}}}};
}

json required(const json& terms) {
    return {
        {"affinity",
         {{"nodeAffinity",
           {{"requiredDuringSchedulingIgnoredDuringExecution", {{"nodeSelectorTerms", terms}}}}}}}};
}

json requirement(const std::string& key, const std::string& operation,
                 const json& values = json::array()) {
    return {{"key", key}, {"operator", operation}, {"values", values}};
}

json taint(const std::string& key, const std::string& effect = "NoExecute") {
    return {{"key", key}, {"value", "v"}, {"effect", effect}};
}

bool selects(const json& pod_spec, const json& object) {
    const auto selected = selects_node(daemon_set(pod_spec), object);
    EXPECT_TRUE(selected) << selected.error().message();
    return selected && *selected;
}

// One requirement against the labels {a: "1"}.
bool holds(const json& wanted) {
    return selects(required(json::array({{{"matchExpressions", json::array({wanted})}}})),
                   node({{"a", "1"}}));
}

TEST(NodeSelection, WithoutConditionsEachNodeIsSelected) {
    EXPECT_TRUE(selects(json::object(), node(json::object())));
    EXPECT_TRUE(selects(json::object(), {{"metadata", {{"name", "n1"}}}}));
}

TEST(NodeSelection, EachLabelOfTheSelectorMustBeThere) {
    const json spec = {{"nodeSelector", {{"a", "1"}, {"b", ""}}}};
    EXPECT_TRUE(selects(spec, node({{"a", "1"}, {"b", ""}, {"c", "3"}})));
    EXPECT_FALSE(selects(spec, node({{"a", "1"}})));
    EXPECT_FALSE(selects(spec, node({{"a", "2"}, {"b", ""}})));
}

TEST(NodeSelection, Operators) {
    EXPECT_TRUE(holds(requirement("a", "In", json::array({"0", "1"}))));
    EXPECT_FALSE(holds(requirement("a", "In", json::array({"0"}))));
    EXPECT_FALSE(holds(requirement("b", "In", json::array({"1"}))));
    EXPECT_TRUE(holds(requirement("a", "NotIn", json::array({"0"}))));
    EXPECT_FALSE(holds(requirement("a", "NotIn", json::array({"1"}))));
    EXPECT_TRUE(holds(requirement("b", "NotIn", json::array({"1"}))));
    EXPECT_TRUE(holds(requirement("a", "Exists")));
    EXPECT_FALSE(holds(requirement("b", "Exists")));
    EXPECT_TRUE(holds(requirement("b", "DoesNotExist")));
    EXPECT_FALSE(holds(requirement("a", "DoesNotExist")));
    EXPECT_TRUE(holds(requirement("a", "Gt", json::array({"0"}))));
    EXPECT_FALSE(holds(requirement("a", "Gt", json::array({"1"}))));
    EXPECT_TRUE(holds(requirement("a", "Lt", json::array({"10"}))));
    EXPECT_FALSE(holds(requirement("b", "Lt", json::array({"10"}))));
    EXPECT_FALSE(holds(requirement("a", "Gt", json::array({"x"}))));
}

TEST(NodeSelection, OneTermIsEnoughAndAllOfItMustHold) {
    const json met = requirement("a", "Exists");
    const json unmet = requirement("b", "Exists");
    const json labels = node({{"a", "1"}});
    EXPECT_TRUE(selects(required(json::array({{{"matchExpressions", json::array({unmet})}},
                                              {{"matchExpressions", json::array({met})}}})),
                        labels));
    EXPECT_FALSE(selects(required(json::array({{{"matchExpressions", json::array({met, unmet})}}})),
                         labels));
    EXPECT_FALSE(selects(required(json::array({json::object()})), labels))
        << "an empty term holds for no node";
}

TEST(NodeSelection, ANodeMayBeMeantByItsName) {
    const auto by_name = [](const char* name) {
        return required(json::array(
            {{{"matchFields",
               json::array({requirement("metadata.name", "In", json::array({name}))})}}}));
    };
    EXPECT_TRUE(selects(by_name("n1"), node(json::object())));
    EXPECT_FALSE(selects(by_name("n2"), node(json::object())));
}

TEST(NodeSelection, WhatIsPreferredDoesNotCount) {
    const json preferred = {
        {"affinity",
         {{"nodeAffinity",
           {{"preferredDuringSchedulingIgnoredDuringExecution",
             json::array(
                 {{{"weight", 1},
                   {"preference",
                    {{"matchExpressions", json::array({requirement("b", "Exists")})}}}}})}}}}}};
    EXPECT_TRUE(selects(preferred, node({{"a", "1"}})));
}

TEST(NodeSelection, ATaintThatEvictsDeselectsUnlessItIsTolerated) {
    const json tainted = node(json::object(), json::array({taint("k")}));
    const auto tolerating = [](const json& toleration) {
        return json{{"tolerations", json::array({toleration})}};
    };
    EXPECT_FALSE(selects(json::object(), tainted));
    EXPECT_TRUE(selects(tolerating({{"operator", "Exists"}}), tainted));
    EXPECT_TRUE(selects(tolerating({{"key", "k"}, {"operator", "Exists"}}), tainted));
    EXPECT_TRUE(selects(tolerating({{"key", "k"}, {"value", "v"}}), tainted));
    EXPECT_FALSE(selects(tolerating({{"key", "k"}, {"value", "other"}}), tainted));
    EXPECT_FALSE(selects(tolerating({{"key", "other"}, {"operator", "Exists"}}), tainted));
    EXPECT_FALSE(selects(
        tolerating({{"key", "k"}, {"operator", "Exists"}, {"effect", "NoSchedule"}}), tainted));
    EXPECT_TRUE(selects(
        tolerating({{"key", "k"}, {"operator", "Exists"}, {"tolerationSeconds", 5}}), tainted));
}

// A running pod of the DaemonSet continues.
TEST(NodeSelection, OtherTaintsDoNotDeselect) {
    EXPECT_TRUE(selects(json::object(),
                        node(json::object(), json::array({taint("k", "NoSchedule"),
                                                          taint("k", "PreferNoSchedule")}))));
    for (const char* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
        EXPECT_TRUE(selects(json::object(), node(json::object(), json::array({taint(key)}))));
    }
}

// A false "no" would remove a node from the mesh.
TEST(NodeSelection, WhatIsNotUnderstoodIsNoAnswer) {
    const json labels = node({{"a", "1"}}, json::array({taint("k")}));
    EXPECT_FALSE(selects_node(
        daemon_set(required(
            json::array({{{"matchExpressions", json::array({requirement("a", "Near")})}}}))),
        labels));
    EXPECT_FALSE(selects_node(
        daemon_set(
            {{"tolerations", json::array({{{"key", "k"}, {"operator", "Gt"}, {"value", "1"}}})}}),
        labels));
    EXPECT_FALSE(selects_node(daemon_set({{"nodeSelector", {{"a", 1}}}}), labels));
    EXPECT_FALSE(selects_node(json::object(), labels));
    EXPECT_FALSE(selects_node(daemon_set(json::object()), json::array()));
}

}  // namespace

}  // namespace fsm::testing
