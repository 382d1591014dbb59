#include "cni-plugin/verbs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cni-plugin/standard_streams.h"
#include "common/file.h"
#include "test/unit/cni-plugin/scripted_server.h"

namespace fsm::plugin {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;
using test::AnsweringServer;
using testing::HasSubstr;

constexpr char kResult[] = R"({ "cniVersion":"1.0.0", "ips": [ {"address":"10.0.0.2/24"} ] })";

class VerbsTest : public testing::Test {
  protected:
    PluginAnswer run(const std::string& command, const std::string& config) {
        variables_["CNI_COMMAND"] = command;
        const auto lookup = [this](const char* name) -> const char* {
            const auto found = variables_.find(name);
            return found == variables_.end() ? nullptr : found->second.c_str();
        };
        const auto read_stdin = [&]() -> Result<std::string> { return config; };
        return run_plugin(lookup, read_stdin, steady_clock::now());
    }

    // A configuration with `socket`, and `more` members before its end.
    std::string config(const std::string& socket, const std::string& more,
                       const std::string& version = "1.1.0") const {
        return R"({"cniVersion":")" + version + R"(","name":"net","type":"fsm-cni","socket":")" +
               socket + R"(","state_dir":")" + state_dir_ + "\"" + (more.empty() ? "" : ",") +
               more + "}";
    }

    std::string config_with_result(const std::string& socket) const {
        return config(socket, R"("prevResult":)" + std::string(kResult));
    }

    std::string note_path() const {
        return state_dir_ + "/deleted/" + cni::file_stem({"c0ffee", "eth0", "net"}) + ".json";
    }

    test::TemporaryDirectory directory_;
    std::string state_dir_ = directory_.path() + "/state";
    std::string nobody_ = directory_.path() + "/no-socket";
    std::map<std::string, std::string, std::less<>> variables_ = {
        {"CNI_CONTAINERID", "c0ffee"},
        {"CNI_NETNS", "/run/netns/x"},
        {"CNI_IFNAME", "eth0"},
        {"CNI_ARGS", "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web"},
        {"CNI_PATH", "/opt/cni/bin"}};
};

void expect_error(const PluginAnswer& answer, unsigned code, const std::string& part) {
    EXPECT_NE(answer.exit_status, 0);
    const json error = json::parse(answer.output, nullptr, false);
    ASSERT_TRUE(error.is_object()) << answer.output;
    EXPECT_EQ(error["code"], code) << answer.output;
    EXPECT_TRUE(error["cniVersion"].is_string());
    EXPECT_THAT(error["msg"].get<std::string>() + error.value("details", ""), HasSubstr(part));
}

void expect_silence(const PluginAnswer& answer) {
    EXPECT_EQ(answer.exit_status, 0) << answer.output;
    EXPECT_EQ(answer.output, "");
}

TEST_F(VerbsTest, add_tells_the_interceptor_and_passes_the_result_on) {
    const AnsweringServer server(200, "ok");
    const std::string input = config_with_result(server.socket_path());
    const PluginAnswer answer = run("ADD", input);
    EXPECT_EQ(answer.exit_status, 0);
    EXPECT_EQ(answer.output, std::string(kResult) + "\n");
    EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(VerbsTest, add_gives_a_result_without_a_version_that_of_the_configuration) {
    const AnsweringServer server(200, "ok");
    const std::vector<std::pair<std::string, std::string>> cases = {
        {R"({"b":1.50,"a":2})", R"({"cniVersion":"0.3.1","b":1.50,"a":2})"},
        {"{ }", R"({"cniVersion":"0.3.1" })"},
        {"{}", R"({"cniVersion":"0.3.1"})"},
        {R"({"dns":{"cniVersion":"x"}})", R"({"cniVersion":"0.3.1","dns":{"cniVersion":"x"}})"},
        {R"({"\u0063niVersion":"0.3.0"})", R"({"\u0063niVersion":"0.3.0"})"},
    };
    for (const auto& [result, expected] : cases) {
        const PluginAnswer answer =
            run("ADD", config(server.socket_path(), "\"prevResult\":" + result, "0.3.1"));
        EXPECT_EQ(answer.exit_status, 0);
        EXPECT_EQ(answer.output, expected + "\n");
    }
}

TEST_F(VerbsTest, add_prints_nothing_but_the_error_when_the_interceptor_refuses) {
    const AnsweringServer server(500, R"({"code":107,"msg":"bad annotation","details":"x"})");
    const PluginAnswer answer = run("ADD", config_with_result(server.socket_path()));
    expect_error(answer, 107, "bad annotation");
    EXPECT_EQ(answer.output.find("10.0.0.2"), std::string::npos);
    EXPECT_EQ(json::parse(answer.output)["details"], "x");
}

TEST_F(VerbsTest, add_fails_when_the_interceptor_is_away) {
    const PluginAnswer answer = run("ADD", config_with_result(nobody_));
    expect_error(answer, 11, "is fsm-interceptor running?");
    expect_error(answer, 11, nobody_);
    EXPECT_FALSE(std::filesystem::exists(state_dir_));
}

TEST_F(VerbsTest, add_needs_a_previous_result_even_for_namespaces_that_are_left_alone) {
    expect_error(run("ADD", config(nobody_, "")), 7, "prevResult");
    variables_["CNI_ARGS"] = "K8S_POD_NAMESPACE=fsm-system";
    expect_error(run("ADD", config(nobody_, "")), 7, "prevResult");
}

TEST_F(VerbsTest, leave_pods_of_excluded_namespaces_alone) {
    const AnsweringServer server(500, "must not be asked");
    const std::string more =
        R"("kubernetes":{"exclude_namespaces":["kube-system"]},"prevResult":)" +
        std::string(kResult);
    for (const char* name : {"kube-system", "fsm-system"}) {
        variables_["CNI_ARGS"] = std::string("IgnoreUnknown=1;K8S_POD_NAMESPACE=") + name;
        const std::string input = config(server.socket_path(), more);
        const PluginAnswer added = run("ADD", input);
        EXPECT_EQ(added.exit_status, 0);
        EXPECT_EQ(added.output, std::string(kResult) + "\n");
        expect_silence(run("CHECK", input));
        expect_silence(run("DEL", input));
    }
    EXPECT_TRUE(server.requests().empty());
    EXPECT_FALSE(std::filesystem::exists(state_dir_));
}

TEST_F(VerbsTest, exclude_namespaces_by_their_whole_name) {
    const AnsweringServer server(200, "ok");
    for (const char* args : {"K8S_POD_NAMESPACE=fsm-system2", "K8S_POD_NAMESPACE=fsm",
                             "K8S_POD_NAMESPACE=", "", "X=fsm-system"}) {
        variables_["CNI_ARGS"] = args;
        EXPECT_EQ(run("ADD", config_with_result(server.socket_path())).exit_status, 0) << args;
    }
    EXPECT_EQ(server.requests().size(), 5U);
}

TEST_F(VerbsTest, ask_the_interceptor_about_containers_without_a_pod_name) {
    const AnsweringServer server(200, "ok");
    variables_.erase("CNI_ARGS");
    EXPECT_EQ(run("ADD", config_with_result(server.socket_path())).exit_status, 0);
    EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(VerbsTest, add_withdraws_the_note_of_an_earlier_del) {
    const AnsweringServer server(200, "ok");
    expect_silence(run("DEL", config(nobody_, "")));
    ASSERT_TRUE(std::filesystem::exists(note_path()));
    EXPECT_EQ(run("ADD", config_with_result(server.socket_path())).exit_status, 0);
    EXPECT_FALSE(std::filesystem::exists(note_path()));
}

TEST_F(VerbsTest, add_does_not_go_on_with_a_note_that_it_cannot_withdraw) {
    const AnsweringServer server(200, "ok");
    std::filesystem::create_directories(note_path() + "/in-the-way");
    expect_error(run("ADD", config_with_result(server.socket_path())), 5, note_path());
    EXPECT_TRUE(server.requests().empty());
}

TEST_F(VerbsTest, del_is_silent_and_leaves_no_note_when_the_interceptor_was_told) {
    const AnsweringServer server(200, "ok");
    const PluginAnswer answer = run("DEL", config(server.socket_path(), ""));
    expect_silence(answer);
    EXPECT_EQ(answer.diagnostics, "");
    EXPECT_EQ(server.requests().size(), 1U);
    EXPECT_FALSE(std::filesystem::exists(state_dir_));
}

TEST_F(VerbsTest, del_leaves_a_note_when_the_interceptor_is_away) {
    const PluginAnswer answer = run("DEL", config(nobody_, ""));
    expect_silence(answer);
    EXPECT_THAT(answer.diagnostics, HasSubstr("is fsm-interceptor running?"));
    const auto note = read_file(note_path(), kMaxStdin);
    ASSERT_TRUE(note);
    EXPECT_EQ(json::parse(*note), json({{"ContainerID", "c0ffee"},
                                        {"IfName", "eth0"},
                                        {"Netns", "/run/netns/x"},
                                        {"Network", "net"}}));
    expect_silence(run("DEL", config(nobody_, "")));
}

TEST_F(VerbsTest, del_leaves_a_note_when_the_interceptor_fails) {
    for (const int status : {500, 503}) {
        const AnsweringServer server(status, R"({"code":100,"msg":"map is gone"})");
        const PluginAnswer answer = run("DEL", config(server.socket_path(), ""));
        expect_silence(answer);
        EXPECT_THAT(answer.diagnostics, HasSubstr("map is gone"));
        EXPECT_TRUE(std::filesystem::remove(note_path()));
    }
}

TEST_F(VerbsTest, del_does_without_netns_and_previous_result) {
    const AnsweringServer server(200, "ok");
    variables_["CNI_NETNS"] = "";
    expect_silence(run("DEL", config(server.socket_path(), "")));
    variables_.erase("CNI_NETNS");
    expect_silence(run("DEL", config(nobody_, "")));
    const auto note = read_file(note_path(), kMaxStdin);
    ASSERT_TRUE(note);
    EXPECT_EQ(json::parse(*note)["Netns"], "");
}

TEST_F(VerbsTest, del_fails_when_the_deletion_would_be_lost) {
    std::ofstream(state_dir_) << "in the way";
    expect_error(run("DEL", config(nobody_, "")), 5, state_dir_);
}

TEST_F(VerbsTest, check_is_silent_when_all_is_well) {
    const AnsweringServer server(200, "ok");
    expect_silence(run("CHECK", config_with_result(server.socket_path())));
    EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(VerbsTest, check_tells_what_the_interceptor_found) {
    const AnsweringServer server(500, R"({"code":105,"msg":"sk_lookup link is gone"})");
    expect_error(run("CHECK", config_with_result(server.socket_path())), 105, "link is gone");
    expect_error(run("CHECK", config_with_result(nobody_)), 11, nobody_);
    expect_error(run("CHECK", config(nobody_, "")), 7, "prevResult");
    expect_error(run("CHECK", config(nobody_, "", "0.3.1")), 1, "has no CHECK");
}

TEST_F(VerbsTest, gc_hands_the_list_on) {
    const AnsweringServer server(200, "ok");
    const std::string input = config(server.socket_path(), R"("cni.dev/valid-attachments":[])");
    expect_silence(run("GC", input));
    EXPECT_EQ(server.requests().size(), 1U);
    expect_error(run("GC", config(nobody_, R"("cni.dev/valid-attachments":[])")), 11, nobody_);
}

TEST_F(VerbsTest, gc_without_a_list_does_nothing) {
    expect_silence(run("GC", config(nobody_, "")));
    expect_silence(run("GC", config(nobody_, R"("cni.dev/valid-attachments":null)")));
}

TEST_F(VerbsTest, status_tells_whether_add_can_be_served) {
    const AnsweringServer well(200, "ok");
    expect_silence(run("STATUS", config(well.socket_path(), "")));
    const AnsweringServer limited(503, R"({"code":51,"msg":"programs are missing"})");
    expect_error(run("STATUS", config(limited.socket_path(), "")), 51, "programs are missing");
    expect_error(run("STATUS", config(nobody_, "")), 50, nobody_);
}

TEST_F(VerbsTest, version_lists_what_is_supported) {
    const json expected = {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
    const std::vector<std::pair<std::string, std::string>> cases = {
        {R"({"cniVersion":"0.4.0"})", "0.4.0"}, {"{}", "0.1.0"}, {"", "1.1.0"}, {" \n", "1.1.0"}};
    for (const auto& [input, version] : cases) {
        const PluginAnswer answer = run("VERSION", input);
        EXPECT_EQ(answer.exit_status, 0);
        EXPECT_EQ(json::parse(answer.output),
                  json({{"cniVersion", version}, {"supportedVersions", expected}}));
    }
    expect_error(run("VERSION", "{"), 6, "stdin");
}

TEST_F(VerbsTest, errors_carry_the_version_of_the_configuration) {
    const auto version_of = [](const PluginAnswer& answer) {
        return json::parse(answer.output)["cniVersion"].get<std::string>();
    };
    EXPECT_EQ(version_of(run("ADD", config(nobody_, "", "0.4.0"))), "0.4.0");
    EXPECT_EQ(version_of(run("ADD", config(nobody_, R"("prevResult":{})", "0.3.0"))), "0.3.0");
    EXPECT_EQ(version_of(run("ADD", config(nobody_, "", "9.0.0"))), "1.1.0");
    EXPECT_EQ(version_of(run("ADD", "{")), "1.1.0");
}

TEST_F(VerbsTest, do_not_read_stdin_when_the_environment_is_wrong) {
    bool was_read = false;
    const PluginAnswer answer = run_plugin([](const char*) -> const char* { return nullptr; },
                                           [&]() -> Result<std::string> {
                                               was_read = true;
                                               return std::string();
                                           },
                                           steady_clock::now());
    expect_error(answer, 4, "CNI_COMMAND");
    EXPECT_FALSE(was_read);
}

TEST_F(VerbsTest, report_stdin_that_cannot_be_read) {
    const PluginAnswer answer = run_plugin(
        [](const char* name) { return std::string(name) == "CNI_COMMAND" ? "STATUS" : nullptr; },
        [] { return Result<std::string>(Error("read stdin: Bad file descriptor", EBADF)); },
        steady_clock::now());
    expect_error(answer, 5, "Bad file descriptor");
}

TEST_F(VerbsTest, print_texts_that_are_not_utf8_nevertheless) {
    const AnsweringServer server(500, "caf\xe9");
    expect_error(run("ADD", config_with_result(server.socket_path())), 100, "caf");
}

TEST(ExplainPlugin, says_what_it_is) {
    EXPECT_THAT(usage_text(), HasSubstr("fsm-cni"));
    EXPECT_THAT(usage_text(), HasSubstr("CNI 0.1.0 to 1.1.0"));
}

}  // namespace
}  // namespace fsm::plugin
