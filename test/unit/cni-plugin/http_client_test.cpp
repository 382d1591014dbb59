#include "common/http/unix_client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <vector>

#include "test/unit/cni-plugin/scripted_server.h"

namespace fsm::plugin {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::AnsweringServer;
using test::Peer;
using test::ScriptedServer;

constexpr milliseconds kAmple{10000};
constexpr milliseconds kShort{150};
const http::Request kRequest{"POST", "/v1/x", "{\"a\":1}"};

Result<http::Response> ask(const std::string& socket, milliseconds time,
                           const http::Request& request = kRequest) {
    return http::exchange(socket, request, steady_clock::now() + time);
}

void expect_failure(const ScriptedServer& server, milliseconds time, int errno_value) {
    const auto begin = steady_clock::now();
    const auto response = ask(server.socket_path(), time);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().errno_value(), errno_value) << response.error().message();
    EXPECT_LT(steady_clock::now() - begin, time + milliseconds(2000));
}

TEST(HttpClient, sends_what_http_asks_for) {
    const AnsweringServer server(200, "ok");
    const auto response = ask(server.socket_path(), kAmple);
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "ok");
    ASSERT_EQ(server.requests().size(), 1U);
    const std::string request = server.requests()[0];
    EXPECT_TRUE(request.starts_with("POST /v1/x HTTP/1.1\r\n")) << request;
    EXPECT_NE(request.find("\r\nHost: localhost\r\n"), std::string::npos);
    EXPECT_NE(request.find("\r\nContent-Type: application/json\r\n"), std::string::npos);
    EXPECT_NE(request.find("\r\nContent-Length: 7\r\n"), std::string::npos);
    EXPECT_NE(request.find("\r\nConnection: close\r\n"), std::string::npos);
    EXPECT_TRUE(request.ends_with("\r\n\r\n{\"a\":1}"));
}

TEST(HttpClient, sends_no_body_headers_without_a_body) {
    const AnsweringServer server(200, "");
    ASSERT_TRUE(ask(server.socket_path(), kAmple, {"GET", "/v1/x", ""}));
    EXPECT_EQ(server.requests()[0].find("Content-"), std::string::npos);
}

TEST(HttpClient, sends_a_body_that_is_larger_than_the_socket_buffers) {
    const AnsweringServer server(200, "ok");
    const std::string body(3 << 20, 'x');
    ASSERT_TRUE(ask(server.socket_path(), kAmple, {"POST", "/v1/x", body}));
    EXPECT_EQ(test::body_of(server.requests()[0]), body);
}

TEST(HttpClient, takes_an_answer_that_comes_byte_by_byte) {
    const ScriptedServer server([](Peer& peer) {
        peer.read_request();
        for (const char c : std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) {
            peer.send(std::string(1, c));
            std::this_thread::sleep_for(milliseconds(1));
        }
        peer.wait_for_close();
    });
    const auto response = ask(server.socket_path(), kAmple);
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->body, "ok");
}

TEST(HttpClient, takes_an_answer_that_comes_before_the_request_was_read) {
    const ScriptedServer server(
        [](Peer& peer) { peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"); });
    const std::string body(3 << 20, 'x');
    const auto response = ask(server.socket_path(), kAmple, {"POST", "/v1/x", body});
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->status, 413);
}

TEST(HttpClient, reports_a_socket_that_is_not_there) {
    const test::TemporaryDirectory directory;
    const auto response = ask(directory.path() + "/none", kAmple);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().errno_value(), ENOENT);
}

TEST(HttpClient, reports_a_path_that_is_too_long) {
    const auto response = ask("/" + std::string(200, 'x'), kAmple);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().errno_value(), ENAMETOOLONG);
}

TEST(HttpClient, reports_a_socket_that_nobody_listens_on) {
    const test::TemporaryDirectory directory;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = directory.path() + "/socket";
    std::memcpy(address.sun_path, path.c_str(), path.size());
    const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    const auto response = ask(path, kAmple);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().errno_value(), ECONNREFUSED);
}

TEST(HttpClient, does_not_wait_for_ever_for_a_place_in_the_queue) {
    const test::TemporaryDirectory directory;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = directory.path() + "/socket";
    std::memcpy(address.sun_path, path.c_str(), path.size());
    const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    ASSERT_EQ(::listen(listener.get(), 0), 0);
    const Fd first(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(first.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    const auto begin = steady_clock::now();
    const auto response = ask(path, kShort);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().errno_value(), ETIMEDOUT);
    EXPECT_EQ(response.error().message(), "connect: Connection timed out");
    EXPECT_GE(steady_clock::now() - begin, kShort);
    EXPECT_LT(steady_clock::now() - begin, milliseconds(2000));
}

TEST(HttpClient, keeps_the_deadline_when_the_server_is_silent) {
    const ScriptedServer server([](Peer& peer) { peer.wait_for_close(); });
    expect_failure(server, kShort, ETIMEDOUT);
}

TEST(HttpClient, keeps_the_deadline_when_the_server_does_not_read) {
    std::mutex mutex;
    std::condition_variable condition;
    bool asked = false;
    const ScriptedServer server([&](Peer&) {
        std::unique_lock lock(mutex);
        condition.wait(lock, [&] { return asked; });
    });
    const std::string body(3 << 20, 'x');
    const auto response = ask(server.socket_path(), kShort, {"POST", "/v1/x", body});
    {
        const std::scoped_lock lock(mutex);
        asked = true;
    }
    condition.notify_all();
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().errno_value(), ETIMEDOUT);
    EXPECT_EQ(response.error().message(), "send: Connection timed out");
}

// A time limit that every byte extends would not be a limit.
TEST(HttpClient, keeps_the_deadline_when_the_server_drips) {
    const ScriptedServer server([](Peer& peer) {
        peer.send("HTTP/1.1 200 OK\r\n\r\n");
        while (peer.send("x")) {
            std::this_thread::sleep_for(milliseconds(10));
        }
    });
    expect_failure(server, kShort, ETIMEDOUT);
}

TEST(HttpClient, is_not_kept_busy_for_ever_by_a_flood) {
    const ScriptedServer server([](Peer& peer) {
        peer.send("HTTP/1.1 200 OK\r\n\r\n");
        const std::string flood(1 << 16, 'x');
        while (peer.send(flood)) {
        }
    });
    expect_failure(server, kAmple, EMSGSIZE);
}

TEST(HttpClient, reports_a_server_that_closes_early) {
    for (const char* part :
         {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"}) {
        const ScriptedServer server([part](Peer& peer) {
            peer.read_request();
            peer.send(part);
        });
        expect_failure(server, kAmple, ECONNRESET);
    }
}

TEST(HttpClient, reports_a_server_that_hangs_up_on_the_request) {
    const ScriptedServer server([](Peer&) {});
    expect_failure(server, kAmple, ECONNRESET);
}

TEST(HttpClient, reports_garbage) {
    const ScriptedServer server([](Peer& peer) {
        peer.read_request();
        peer.send("220 mail.example.org ESMTP\r\n");
        peer.wait_for_close();
    });
    expect_failure(server, kAmple, EPROTO);
}

TEST(HttpClient, does_nothing_after_the_deadline) {
    const AnsweringServer server(200, "ok");
    const auto response = ask(server.socket_path(), milliseconds(-1));
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().errno_value(), ETIMEDOUT);
    EXPECT_TRUE(server.requests().empty());
}

}  // namespace
}  // namespace fsm::plugin
