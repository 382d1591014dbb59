#include "cni-plugin/network_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace fsm::plugin {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

json sample() {
    return {{"cniVersion", "1.1.0"},
            {"name", "net"},
            {"type", "fsm-cni"},
            {"prevResult", json::object()}};
}

json sample_with(const std::string& pointer, const json& value) {
    json config = sample();
    config[json::json_pointer(pointer)] = value;
    return config;
}

void expect_error(const std::string& text, Verb verb, unsigned code, const std::string& part) {
    auto config = parse_network_config(text, verb);
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(static_cast<unsigned>(config.error().code), code)
        << text << ": " << config.error().message;
    EXPECT_THAT(config.error().message + "; " + config.error().details, HasSubstr(part)) << text;
}

TEST(NetworkConfig, has_defaults) {
    auto config = parse_network_config(sample().dump(), Verb::add);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->cni_version, "1.1.0");
    EXPECT_EQ(config->settings.socket, "/var/run/fsm-cni.sock");
    EXPECT_EQ(config->settings.state_dir, "/var/run/fsm");
    EXPECT_EQ(config->settings.timeout, milliseconds(10000));
    EXPECT_THAT(config->settings.excluded_namespaces, ElementsAre("fsm-system"));
}

TEST(NetworkConfig, takes_all_settings) {
    json input = sample();
    input.update(json::parse(R"({
        "socket": "/run/other.sock", "state_dir": "/run/other", "timeout_ms": 250,
        "interceptor_namespace": "mesh", "log_level": "debug",
        "kubernetes": {"exclude_namespaces": ["kube-system", "a", ""], "kubeconfig": "/k",
                       "cni_bin_dir": "/b", "node_name": "n", "intercept_type": "ebpf",
                       "k8s_api_root": "https://x"},
        "capabilities": {"x": true}, "runtimeConfig": {}, "unknown": [1]})"));
    auto config = parse_network_config(input.dump(), Verb::add);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->settings.socket, "/run/other.sock");
    EXPECT_EQ(config->settings.state_dir, "/run/other");
    EXPECT_EQ(config->settings.timeout, milliseconds(250));
    EXPECT_THAT(config->settings.excluded_namespaces, ElementsAre("a", "kube-system", "mesh"));
}

TEST(NetworkConfig, takes_null_for_absent) {
    for (const char* pointer :
         {"/socket", "/state_dir", "/timeout_ms", "/interceptor_namespace", "/log_level",
          "/kubernetes", "/kubernetes/exclude_namespaces", "/kubernetes/kubeconfig", "/type"}) {
        EXPECT_TRUE(parse_network_config(sample_with(pointer, nullptr).dump(), Verb::add))
            << pointer;
    }
}

TEST(NetworkConfig, names_the_member_of_a_wrong_type) {
    const std::vector<std::pair<const char*, const char*>> members = {
        {"/cniVersion", "key cniVersion: must be a text, not "},
        {"/name", "key name: must be a text, not "},
        {"/type", "key type: must be a text, not "},
        {"/log_level", "key log_level: must be a text, not "},
        {"/socket", "key socket: must be a text, not "},
        {"/state_dir", "key state_dir: must be a text, not "},
        {"/interceptor_namespace", "key interceptor_namespace: must be a text, not "},
        {"/timeout_ms", "is not a number from 100 to 60000"},
        {"/kubernetes", "key kubernetes: must be a mapping"},
        {"/kubernetes/exclude_namespaces", "key kubernetes.exclude_namespaces: must be a list"},
        {"/kubernetes/kubeconfig", "key kubernetes.kubeconfig: must be a text, not "},
        {"/kubernetes/cni_bin_dir", "key kubernetes.cni_bin_dir: must be a text, not "},
        {"/kubernetes/node_name", "key kubernetes.node_name: must be a text, not "},
        {"/kubernetes/intercept_type", "key kubernetes.intercept_type: must be a text, not "},
        {"/kubernetes/k8s_api_root", "key kubernetes.k8s_api_root: must be a text, not "},
        {"/prevResult", "key prevResult: must be a mapping"},
        {"/prevResult/cniVersion", "key prevResult.cniVersion: must be a text, not "},
    };
    for (const auto& [pointer, message] : members) {
        expect_error(sample_with(pointer, true).dump(), Verb::add, 7, message);
        expect_error(sample_with(pointer, 1.5).dump(), Verb::add, 7, message);
    }
    json list = sample();
    list["kubernetes"]["exclude_namespaces"] = {"a", 1};
    expect_error(list.dump(), Verb::add, 7,
                 "key kubernetes.exclude_namespaces[1]: must be a text, not 1");
}

TEST(NetworkConfig, bounds_the_time_limit) {
    for (const json& value : {json(100), json(60000)}) {
        EXPECT_TRUE(parse_network_config(sample_with("/timeout_ms", value).dump(), Verb::add));
    }
    for (const json& value : {json(99), json(60001), json(0), json(-1), json(INT64_MAX),
                              json(UINT64_MAX), json(INT64_MIN)}) {
        expect_error(sample_with("/timeout_ms", value).dump(), Verb::add, 7,
                     "key timeout_ms: " + value.dump() + " is not a number from 100 to 60000");
    }
    expect_error(sample_with("/timeout_ms", "100").dump(), Verb::add, 7, "timeout_ms");
}

TEST(NetworkConfig, wants_absolute_paths) {
    for (const char* pointer : {"/socket", "/state_dir"}) {
        for (const char* path : {"", "relative", "./x"}) {
            expect_error(sample_with(pointer, path).dump(), Verb::add, 7, "absolute path");
        }
        expect_error(sample_with(pointer, std::string("/a\0b", 4)).dump(), Verb::add, 7,
                     "absolute path");
    }
    EXPECT_TRUE(parse_network_config(sample_with("/socket", "/" + std::string(106, 'x')).dump(),
                                     Verb::add));
    expect_error(sample_with("/socket", "/" + std::string(107, 'x')).dump(), Verb::add, 7,
                 "108 bytes");
}

TEST(NetworkConfig, must_be_a_json_object) {
    for (const char* text :
         {"", " ", "{", "[]", "1", "null", "\"x\"", "{\"a\":}", "{} {}", "{'a':1}", "{\"a\":1,}",
          "{\"a\":\"\xff\"}", "{\"a\":01}", "{\"name\":\"\\ud800\"}"}) {
        for (const Verb verb : {Verb::add, Verb::del, Verb::check, Verb::gc, Verb::status}) {
            expect_error(text, verb, 6, "stdin");
        }
    }
}

TEST(NetworkConfig, survives_deep_nesting) {
    constexpr std::size_t kDepth = 200000;
    const std::string deep = std::string(kDepth, '[') + std::string(kDepth, ']');
    const std::string text = R"({"cniVersion":"1.1.0","name":"n","prevResult":{"x":)" + deep + "}}";
    auto config = parse_network_config(text, Verb::add);
    ASSERT_TRUE(config);
    EXPECT_EQ(*config->previous_result, "{\"x\":" + deep + "}");
}

TEST(NetworkConfig, accepts_the_supported_versions_only) {
    for (const char* version : {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
        auto config = parse_network_config(sample_with("/cniVersion", version).dump(), Verb::add);
        ASSERT_TRUE(config) << version;
        EXPECT_EQ(config->cni_version, version);
    }
    for (const char* version : {"", "0.0.9", "0.3", "0.5.0", "1.2.0", "2.0.0", "1.1.0 ", "x"}) {
        expect_error(sample_with("/cniVersion", version).dump(), Verb::add, 1, "not supported");
        expect_error(sample_with("/cniVersion", version).dump(), Verb::del, 1, "not supported");
    }
}

TEST(NetworkConfig, without_a_version_has_the_oldest) {
    json input = sample();
    input.erase("cniVersion");
    auto config = parse_network_config(input.dump(), Verb::add);
    ASSERT_TRUE(config);
    EXPECT_EQ(config->cni_version, "0.1.0");
}

TEST(NetworkConfig, knows_which_version_has_which_verb) {
    const auto with = [](const char* version) {
        return sample_with("/cniVersion", version).dump();
    };
    for (const char* version : {"0.1.0", "0.2.0", "0.3.0", "0.3.1"}) {
        expect_error(with(version), Verb::check, 1, "has no CHECK");
    }
    for (const char* version : {"0.1.0", "0.4.0", "1.0.0"}) {
        expect_error(with(version), Verb::gc, 1, "has no GC");
        expect_error(with(version), Verb::status, 1, "has no STATUS");
    }
    EXPECT_TRUE(parse_network_config(with("0.4.0"), Verb::check));
    EXPECT_TRUE(parse_network_config(with("1.1.0"), Verb::gc));
    EXPECT_TRUE(parse_network_config(with("1.1.0"), Verb::status));
}

TEST(NetworkConfig, needs_a_network_name) {
    for (const Verb verb : {Verb::add, Verb::del, Verb::check, Verb::gc, Verb::status}) {
        json input = sample();
        input.erase("name");
        expect_error(input.dump(), verb, 7, "name is missing");
        expect_error(sample_with("/name", "").dump(), verb, 7, "name is missing");
        expect_error(sample_with("/name", nullptr).dump(), verb, 7, "name is missing");
        expect_error(sample_with("/name", "a/b").dump(), verb, 7, "not a network name");
    }
}

TEST(NetworkConfig, needs_a_previous_result_where_there_must_be_one) {
    json absent = sample();
    absent.erase("prevResult");
    for (const json& input : {absent, sample_with("/prevResult", nullptr)}) {
        expect_error(input.dump(), Verb::add, 7, "prevResult is missing");
        expect_error(input.dump(), Verb::check, 7, "prevResult is missing");
        EXPECT_TRUE(parse_network_config(input.dump(), Verb::del));
        EXPECT_TRUE(parse_network_config(input.dump(), Verb::gc));
        EXPECT_TRUE(parse_network_config(input.dump(), Verb::status));
    }
}

TEST(NetworkConfig, keeps_the_text_of_the_previous_result) {
    const std::string result = R"({ "b":1.0, "a":[ 1e2 ],"b":2 })";
    auto config = parse_network_config(R"({"name":"n","prevResult":)" + result + "}", Verb::add);
    ASSERT_TRUE(config);
    EXPECT_EQ(config->previous_result, result);
}

TEST(NetworkConfig, tells_an_empty_list_of_attachments_from_none) {
    const auto lists = [](const json& value) {
        auto config = parse_network_config(sample_with("/cni.dev~1valid-attachments", value).dump(),
                                           Verb::gc);
        return config ? std::optional<bool>(config->network.valid_attachments) : std::nullopt;
    };
    EXPECT_EQ(lists(nullptr), false);
    EXPECT_EQ(lists(json::array()), true);
    EXPECT_EQ(lists(json::parse(R"([{"containerID":"a","ifname":"eth0","more":1}])")), true);
    auto absent = parse_network_config(sample().dump(), Verb::gc);
    ASSERT_TRUE(absent);
    EXPECT_FALSE(absent->network.valid_attachments);
}

TEST(NetworkConfig, names_the_attachment_that_is_wrong) {
    const std::vector<std::pair<const char*, const char*>> cases = {
        {R"({})", "key cni.dev/valid-attachments: must be a list"},
        {R"(["a"])", "key cni.dev/valid-attachments[0]: must be a mapping"},
        {R"([{"containerID":"a","ifname":"b"},{"containerID":"a"}])",
         "key cni.dev/valid-attachments[1].ifname: is missing"},
        {R"([{"containerID":1,"ifname":"b"}])",
         "key cni.dev/valid-attachments[0].containerID: must be a text, not 1"},
        {R"([{"ifname":"b"}])", "key cni.dev/valid-attachments[0].containerID: is missing"},
    };
    for (const auto& [list, message] : cases) {
        expect_error(sample_with("/cni.dev~1valid-attachments", json::parse(list)).dump(), Verb::gc,
                     7, message);
    }
}

TEST(AnswerVersion, is_the_one_of_the_request_where_we_speak_it) {
    EXPECT_EQ(answer_version(R"({"cniVersion":"0.4.0"})"), "0.4.0");
    EXPECT_EQ(answer_version("{}"), "0.1.0");
    EXPECT_EQ(answer_version(R"({"cniVersion":"9.9.9"})"), "1.1.0");
    EXPECT_EQ(answer_version(R"({"cniVersion":1})"), "1.1.0");
    EXPECT_EQ(answer_version("{"), "1.1.0");
}

}  // namespace
}  // namespace fsm::plugin
