#include "common/cni/request.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "common/cni/network.h"

namespace fsm::cni {

namespace {

TEST(CniRequestBody, CarriesEveryFieldAndNothingElse) {
    const Request request = {
        {"c0ffee", "\xc3\xa4"}, "/run/netns/x", "A=b;C=d", std::string("{\0\xff}", 4)};
    const auto body = to_body(request);
    const auto read = parse_body(body);
    ASSERT_TRUE(read) << read.error().details;
    EXPECT_EQ(read->interface, request.interface);
    EXPECT_EQ(read->netns, request.netns);
    EXPECT_EQ(read->args, request.args);
    EXPECT_EQ(read->stdin_data, request.stdin_data);
    EXPECT_EQ(nlohmann::json::parse(body).size(), 5U);
}

TEST(CniRequestBody, OfANetworkHasItsConfigurationAlone) {
    EXPECT_EQ(to_body({{}, "", "", "{}"}), R"({"StdinData":"e30="})");
    EXPECT_EQ(parse_body(R"({"StdinData":"e30=","Path":"/opt/cni/bin"})")->stdin_data, "{}");
}

TEST(CniRequestBody, ThatIsWrongIsRefused) {
    for (const char* body :
         {"", "{", "[]", "1", R"({"IfName":1})", R"({"StdinData":"%"})", "{\"IfName\":\"\xff\"}"}) {
        const auto read = parse_body(body);
        ASSERT_FALSE(read) << body;
        EXPECT_EQ(read.error().code, ErrorCode::undecodable) << body;
    }
}

TEST(CniErrorBody, IsReadAsItWasWritten) {
    const auto read = parse_error_body(error_body({ErrorCode::not_enrolled, "a", "b\xff"}));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->code, ErrorCode::not_enrolled);
    EXPECT_EQ(read->message, "a");
    EXPECT_EQ(read->details, "b\xef\xbf\xbd");
    EXPECT_FALSE(parse_error_body(R"({"code":0,"msg":"x"})"));
    EXPECT_FALSE(parse_error_body(R"({"code":1})"));
}

TEST(CniArgs, NameThePodAndMayHoldMore) {
    const auto pod = pod_of(
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;;K8S_POD_UID=u=1;broken;"
        "K8S_POD_INFRA_CONTAINER_ID=abc;IP=10.1.2.3;X=");
    EXPECT_EQ(pod.pod_namespace, "shop");
    EXPECT_EQ(pod.name, "web");
    EXPECT_EQ(pod.uid, "u=1");
    EXPECT_EQ(pod_of("K8S_POD_NAMESPACE=a;K8S_POD_NAMESPACE=b").pod_namespace, "b");
    for (const char* args : {"", ";", "A=b", "XK8S_POD_NAMESPACE=shop", "K8S_POD_NAMESPACES=shop",
                             "K8S_POD_NAMESPACE", "A=K8S_POD_NAMESPACE=shop"}) {
        EXPECT_EQ(pod_of(args).pod_namespace, "") << args;
    }
}

TEST(CniNetwork, HasTheAddressesOfEveryVersionOfPrevResult) {
    const auto network = parse_network(
        R"({"name":"net","prevResult":{"ips":[
            {"version":"4","address":"10.1.2.3/24"},{"address":"fd00::5/64"}]}})");
    ASSERT_TRUE(network) << network.error().message;
    EXPECT_EQ(network->name, "net");
    ASSERT_EQ(network->result_addresses.size(), 2U);
    EXPECT_EQ(network->result_addresses[1].to_string(), "fd00::5");
    EXPECT_FALSE(network->valid_attachments);
    // Of versions 0.1.0 and 0.2.0.
    EXPECT_TRUE(parse_network(R"({"name":"net","prevResult":{"ip4":{"ip":"10.1.2.3/24"}}})"));
}

TEST(CniNetwork, TellsAbsentNullAndEmptyAttachmentsApart) {
    const auto valid = [](const std::string& member) {
        return parse_network(R"({"name":"net")" + member + "}")->valid_attachments;
    };
    for (const std::string key : {"cni.dev/valid-attachments", "cni.dev/attachments"}) {
        EXPECT_FALSE(valid(",\"" + key + "\":null"));
        ASSERT_TRUE(valid(",\"" + key + "\":[]"));
        EXPECT_TRUE(valid(",\"" + key + "\":[]")->empty());
        EXPECT_EQ(valid(",\"" + key + R"(":[{"containerID":"a","ifname":"b"}])")->front(),
                  (Interface{"a", "b"}));
    }
    EXPECT_FALSE(valid(""));
    EXPECT_EQ(valid(R"(,"cni.dev/valid-attachments":null,"cni.dev/attachments":[])")->size(), 0U);
}

TEST(CniNetwork, DeepNestingIsNoCrash) {
    EXPECT_FALSE(parse_network(std::string(500000, '[')));
}

TEST(CniFileStem, FitsAndIsAnotherForEachAttachment) {
    const std::string longest(100000, 'x');
    const AttachmentKey keys[] = {
        {"a", "eth0", "net"},        {"a", "eth0", ""},         {"a", "eth0", "other"},
        {"a-b", "c", "net"},         {"a", "b-c", "net"},       {"a", "b", "cnet"},
        {longest + "1", "e", "net"}, {longest + "2", "e", "n"}, {"a", "e", longest + "1"},
        {"a", "e", longest + "2"},
    };
    std::set<std::string> stems;
    for (const auto& key : keys) {
        const auto stem = file_stem(key);
        EXPECT_LE(stem.size(), 100U);
        EXPECT_TRUE(stems.insert(stem).second) << stem;
    }
}

}  // namespace

}  // namespace fsm::cni
