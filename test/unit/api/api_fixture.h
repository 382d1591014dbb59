// The API on the test's own socket, with a real Enroller and a fake data path.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "interceptor/api/cni_routes.h"
#include "interceptor/api/http_server.h"
#include "interceptor/api/unix_listener.h"
#include "interceptor/api/view_routes.h"
#include "test/unit/sync/enroller_fixture.h"

namespace fsm::testing {

struct Answer {
    int status = 0;  // 0: no answer
    std::string header;
    std::string body;

    nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
};

inline Answer parse_answer(const std::string& text) {
    Answer answer;
    const auto end = text.find("\r\n\r\n");
    if (end == std::string::npos || text.rfind("HTTP/1.1 ", 0) != 0) {
        return answer;
    }
    answer.status = std::stoi(text.substr(9, 3));
    answer.header = text.substr(0, end);
    answer.body = text.substr(end + 4);
    return answer;
}

inline std::string read_all(const Fd& connection) {
    std::string text;
    char buffer[65536];
    ssize_t count = 0;
    while ((count = recv(connection.get(), buffer, sizeof(buffer), 0)) > 0) {
        text.append(buffer, static_cast<std::size_t>(count));
    }
    return text;
}

struct FakeNotifier : PodNotifier {
    void warn(const PodWarning& /*warning*/) override {}
    std::size_t waiting() const override { return 3; }
    std::uint64_t dropped() const override { return 2; }
};

class ApiTest : public EnrollerTest {
  protected:
    void SetUp() override {
        EnrollerTest::SetUp();
        add_cni_routes(router, *enroller, meter);
        conditions->ask(Component::datapath, [this] { return datapath.node_conditions(); });
        add_view_routes(router, {*enroller, datapath, source, meter, *conditions, &notifier, "fsm",
                                 "ebpf", "auto", "auto", [this] { return reconcile_age; },
                                 [this] { return installed; }});
        serve();
    }
    void TearDown() override { server.reset(); }

    void serve() {
        server.reset();
        auto listener = UnixListener::open(socket_path());
        ASSERT_TRUE(listener) << listener.error().message();
        auto started =
            HttpServer::start(std::make_unique<UnixListener>(std::move(*listener)), router, limits);
        ASSERT_TRUE(started) << started.error().message();
        server = std::move(*started);
    }

    std::string socket_path() const { return directory.path() + "/api.sock"; }

    Fd connection() const {
        auto fd = connect_unix(socket_path(), 10);
        EXPECT_TRUE(fd) << fd.error().message();
        return fd ? std::move(*fd) : Fd();
    }

    Answer send_raw(const std::string& bytes) const {
        const Fd fd = connection();
        EXPECT_EQ(send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
        return parse_answer(read_all(fd));
    }
    Answer ask(const std::string& method, const std::string& path,
               const std::string& body = "") const {
        return send_raw(method + " " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                        std::to_string(body.size()) + "\r\n\r\n" + body);
    }

    static std::string body_for(const std::string& netns, const std::string& pod = "web",
                                const std::string& container = "c1") {
        // base64 of {"name":"net"}
        return nlohmann::json{
            {"ContainerID", container}, {"Netns", netns},
            {"IfName", "eth0"},         {"Args", "K8S_POD_NAMESPACE=default;K8S_POD_NAME=" + pod},
            {"Path", "/opt/cni/bin"},   {"StdinData", "eyJuYW1lIjoibmV0In0="}}
            .dump();
    }

    HttpLimits limits;
    RequestMeter meter;
    FakeNotifier notifier;
    HttpRouter router{error_body_of};
    std::chrono::milliseconds reconcile_age{0};
    Result<void> installed;
    std::unique_ptr<HttpServer> server;
};

}  // namespace fsm::testing
