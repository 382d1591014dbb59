#include "cni-plugin/interceptor_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "test/unit/cni-plugin/scripted_server.h"

namespace fsm::plugin {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::AnsweringServer;
using testing::HasSubstr;
using testing::StartsWith;

cni::Request sample_request(const std::string& stdin_data = "{}") {
    return {{"c0ffee", "eth0"}, "/run/netns/x", "K8S_POD_NAME=\"\xc3\xa4\"", stdin_data};
}

InterceptorClient client_of(const std::string& socket) {
    return {socket, steady_clock::now() + milliseconds(10000)};
}

TEST(InterceptorClient, sends_the_arguments_of_the_verb) {
    const AnsweringServer server(200, "ok\n");
    const InterceptorClient client = client_of(server.socket_path());
    EXPECT_FALSE(client.create_pod(sample_request("{\"a\":1}")));
    EXPECT_FALSE(client.delete_pod(sample_request()));
    EXPECT_FALSE(client.check_pod(sample_request()));
    const auto requests = server.requests();
    ASSERT_EQ(requests.size(), 3U);
    EXPECT_THAT(requests[0], StartsWith("POST /v1/cni/create-pod HTTP/1.1\r\n"));
    EXPECT_THAT(requests[1], StartsWith("POST /v1/cni/delete-pod HTTP/1.1\r\n"));
    EXPECT_THAT(requests[2], StartsWith("POST /v1/cni/check-pod HTTP/1.1\r\n"));
    EXPECT_EQ(json::parse(test::body_of(requests[0])), json({{"ContainerID", "c0ffee"},
                                                             {"Netns", "/run/netns/x"},
                                                             {"IfName", "eth0"},
                                                             {"Args", "K8S_POD_NAME=\"\xc3\xa4\""},
                                                             {"StdinData", "eyJhIjoxfQ=="}}));
}

TEST(InterceptorClient, hands_the_configuration_on_for_gc) {
    const AnsweringServer server(200, "");
    EXPECT_FALSE(client_of(server.socket_path()).collect_garbage({{}, "", "", "{}"}));
    const std::string request = server.requests()[0];
    EXPECT_THAT(request, StartsWith("POST /v1/cni/gc HTTP/1.1\r\n"));
    EXPECT_EQ(json::parse(test::body_of(request)), json({{"StdinData", "e30="}}));
}

TEST(InterceptorClient, asks_for_the_status) {
    const AnsweringServer server(200, "{\"anything\":true}");
    EXPECT_FALSE(client_of(server.socket_path()).status());
    EXPECT_THAT(server.requests()[0], StartsWith("GET /v1/cni/status HTTP/1.1\r\n"));
}

TEST(InterceptorClient, hands_the_error_of_the_interceptor_on) {
    const AnsweringServer server(500, R"({"code":104,"msg":"no such pod","details":"a/b"})");
    const auto error = client_of(server.socket_path()).create_pod(sample_request());
    ASSERT_TRUE(error);
    EXPECT_EQ(static_cast<unsigned>(error->code), 104U);
    EXPECT_EQ(error->message, "no such pod");
    EXPECT_EQ(error->details, "a/b");
}

struct PlainText {
    int status;
    std::string body;
    unsigned code;
    std::string message;
};

TEST(InterceptorClient, takes_any_other_error_as_text) {
    const std::vector<PlainText> cases = {
        {500, " pod a/b: no netns\n", 100, "pod a/b: no netns"},
        {503, "starting", 11, "starting"},
        {503, "", 11, "fsm-interceptor gave no reason"},
        {404, R"({"msg":"no code"})", 100, R"({"msg":"no code"})"},
        {500, R"({"code":0,"msg":"zero"})", 100, R"({"code":0,"msg":"zero"})"},
        {500, R"({"code":-3,"msg":"x"})", 100, R"({"code":-3,"msg":"x"})"},
        {500, R"({"code":"7","msg":"x"})", 100, R"({"code":"7","msg":"x"})"},
        {500, R"({"code":4294967303,"msg":"x"})", 100, R"({"code":4294967303,"msg":"x"})"},
        {500, R"({"code":7})", 100, R"({"code":7})"},
        {500, R"([{"code":7,"msg":"x"}])", 100, R"([{"code":7,"msg":"x"}])"},
        {302, "elsewhere", 100, "elsewhere"},
        {204, "", 100, "fsm-interceptor gave no reason"},
    };
    for (const PlainText& test : cases) {
        SCOPED_TRACE(std::to_string(test.status) + " " + test.body);
        const AnsweringServer server(test.status, test.body);
        const auto error = client_of(server.socket_path()).create_pod(sample_request());
        ASSERT_TRUE(error);
        EXPECT_EQ(static_cast<unsigned>(error->code), test.code);
        EXPECT_EQ(error->message, test.message);
        EXPECT_THAT(error->details, HasSubstr(std::to_string(test.status)));
    }
}

TEST(InterceptorClient, shortens_long_texts) {
    const AnsweringServer server(500, std::string(100000, 'x'));
    const auto error = client_of(server.socket_path()).create_pod(sample_request());
    ASSERT_TRUE(error);
    EXPECT_LT(error->message.size(), 2000U);
}

TEST(InterceptorClient, believes_a_success_only_when_it_says_ok) {
    for (const char* body : {"", "OK", "okay", "<html>hello</html>"}) {
        const AnsweringServer server(200, body);
        const auto error = client_of(server.socket_path()).create_pod(sample_request());
        ASSERT_TRUE(error) << body;
        EXPECT_EQ(static_cast<unsigned>(error->code), 5U);
        EXPECT_THAT(error->message, HasSubstr("does another program listen there"));
    }
}

TEST(InterceptorClient, says_what_to_do_when_there_is_no_answer) {
    const test::TemporaryDirectory directory;
    const std::string socket = directory.path() + "/none";
    const InterceptorClient client = client_of(socket);
    for (const auto& error :
         {client.create_pod(sample_request()), client.check_pod(sample_request()),
          client.delete_pod(sample_request()), client.collect_garbage({{}, "", "", "{}"})}) {
        ASSERT_TRUE(error);
        EXPECT_EQ(static_cast<unsigned>(error->code), 11U);
        EXPECT_THAT(error->message, HasSubstr(socket));
        EXPECT_THAT(error->message, HasSubstr("is fsm-interceptor running?"));
        EXPECT_THAT(error->message, HasSubstr("No such file or directory"));
    }
}

TEST(InterceptorClient, tells_a_stranger_from_an_interceptor_that_is_away) {
    const test::ScriptedServer stranger([](test::Peer& peer) {
        peer.read_request();
        peer.send("SSH-2.0-OpenSSH_9\r\n");
    });
    const test::ScriptedServer dying([](test::Peer& peer) { peer.read_request(); });
    const auto garbage = client_of(stranger.socket_path()).create_pod(sample_request());
    ASSERT_TRUE(garbage);
    EXPECT_EQ(static_cast<unsigned>(garbage->code), 5U);
    const auto closed = client_of(dying.socket_path()).create_pod(sample_request());
    ASSERT_TRUE(closed);
    EXPECT_EQ(static_cast<unsigned>(closed->code), 11U);
}

TEST(InterceptorClient, speaks_of_the_time_limit_when_it_has_passed) {
    const test::ScriptedServer server([](test::Peer& peer) { peer.wait_for_close(); });
    const InterceptorClient client(server.socket_path(), steady_clock::now() + milliseconds(100));
    const auto error = client.create_pod(sample_request());
    ASSERT_TRUE(error);
    EXPECT_EQ(static_cast<unsigned>(error->code), 11U);
    EXPECT_THAT(error->message, HasSubstr("timeout_ms"));
}

TEST(InterceptorClient, has_only_two_codes_for_the_status) {
    const std::vector<std::pair<std::string, unsigned>> cases = {
        {R"({"code":50,"msg":"x"})", 50},
        {R"({"code":51,"msg":"x"})", 51},
        {R"({"code":11,"msg":"x"})", 50},
        {"text", 50},
    };
    for (const auto& [body, code] : cases) {
        const AnsweringServer server(503, body);
        const auto error = client_of(server.socket_path()).status();
        ASSERT_TRUE(error);
        EXPECT_EQ(static_cast<unsigned>(error->code), code) << body;
    }
    const auto away = client_of("/nonexistent/socket").status();
    ASSERT_TRUE(away);
    EXPECT_EQ(static_cast<unsigned>(away->code), 50U);
}

}  // namespace
}  // namespace fsm::plugin
