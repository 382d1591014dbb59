#include "interceptor/sync/cni_request.h"

#include <gtest/gtest.h>

#include "interceptor/sync/host_paths.h"

namespace fsm::testing {

namespace {

TEST(CniArgs, TakesWhatKubernetesGivesAndToleratesTheRest) {
    const auto args = parse_cni_args(
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;;K8S_POD_UID=u=1;"
        "K8S_POD_INFRA_CONTAINER_ID=abc;IP=10.1.2.3;X=");
    ASSERT_TRUE(args.outcome);
    EXPECT_EQ(args.pod.pod_namespace, "shop");
    EXPECT_EQ(args.pod.name, "web");
    EXPECT_EQ(args.pod.uid, "u=1");
    EXPECT_EQ(args.pod.infra_container_id, "abc");
    EXPECT_TRUE(parse_cni_args("").outcome);
}

TEST(NetworkConfig, ReadsEveryVersionOfPrevResult) {
    const auto parsed = parse_network_config(
        R"({"name":"net","prevResult":{"ips":[
            {"version":"4","address":"10.1.2.3/24"},{"address":"fd00::5/64"}]}})");
    ASSERT_TRUE(parsed.outcome);
    EXPECT_EQ(parsed.config.network, "net");
    ASSERT_EQ(parsed.config.result_addresses.size(), 2U);
    EXPECT_EQ(parsed.config.result_addresses[1].to_string(), "fd00::5");
    EXPECT_FALSE(parsed.config.valid_attachments);
    EXPECT_TRUE(parse_network_config("").outcome);
}

TEST(NetworkConfig, TellsAbsentNullAndEmptyAttachmentsApart) {
    EXPECT_FALSE(parse_network_config("{}").config.valid_attachments);
    EXPECT_FALSE(
        parse_network_config(R"({"cni.dev/valid-attachments":null})").config.valid_attachments);
    const auto empty = parse_network_config(R"({"cni.dev/valid-attachments":[]})");
    ASSERT_TRUE(empty.config.valid_attachments);
    EXPECT_TRUE(empty.config.valid_attachments->empty());
}

TEST(NetworkConfig, DeepNestingIsNoCrash) {
    const auto parsed = parse_network_config(std::string(500000, '['));
    EXPECT_FALSE(parsed.outcome);
}

TEST(HostPaths, AreTranslatedInAContainerOnly) {
    const HostPaths node;
    EXPECT_EQ(node.translate("/var/run/netns/x"), "/var/run/netns/x");
    EXPECT_EQ(node.translate("/run/netns/x"), "/run/netns/x");
    EXPECT_EQ(node.translate("/proc/1/ns/net"), "/proc/1/ns/net");
    const HostPaths container{"/host/var/run", "/host/proc"};
    EXPECT_EQ(container.translate("/var/run/netns/x"), "/host/var/run/netns/x");
    EXPECT_EQ(container.translate("/run/netns/x"), "/host/var/run/netns/x");
    EXPECT_EQ(container.translate("/proc/1/ns/net"), "/host/proc/1/ns/net");
    EXPECT_EQ(container.translate("/tmp/x"), "/tmp/x");
    EXPECT_EQ(container.translate(""), "");
}

}  // namespace

}  // namespace fsm::testing
