#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "test/unit/api/api_fixture.h"

namespace fsm::testing {

namespace {

class HostileClient : public ApiTest {
  protected:
    void SetUp() override {
        limits.request_time = std::chrono::milliseconds(500);
        limits.response_time = std::chrono::milliseconds(500);
        limits.max_waiting = 64;
        limits.max_workers = 4;
        ApiTest::SetUp();
    }
    void expect_serving() const { EXPECT_EQ(ask("GET", "/v1/cni/status").status, 200); }
};

constexpr std::size_t kMegabyte = std::size_t{1} << 20;

TEST_F(HostileClient, IdleConnectionsStarveNobody) {
    std::vector<Fd> idle;
    for (int i = 0; i < 300; ++i) {
        idle.push_back(connection());
        if (i % 50 == 0) {
            const auto begin = std::chrono::steady_clock::now();
            expect_serving();
            EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
        }
    }
    std::this_thread::sleep_for(limits.request_time + std::chrono::milliseconds(300));
    char byte = 0;
    for (const auto& fd : idle) {
        EXPECT_EQ(recv(fd.get(), &byte, 1, MSG_DONTWAIT), 0) << "dropped after the time limit";
    }
}

TEST_F(HostileClient, AByteAtATimeIsDropped) {
    const Fd slow = connection();
    const std::string request = "GET /v1/cni/status HTTP/1.1\r\n";
    for (std::size_t i = 0; i < 20; ++i) {
        if (send(slow.get(), &request[i], 1, MSG_NOSIGNAL) != 1) {
            break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    EXPECT_EQ(parse_answer(read_all(slow)).status, 408);
    expect_serving();
}

TEST_F(HostileClient, WhatIsNotHttp) {
    for (const std::string& request :
         {std::string("\r\n\r\n"), std::string("garbage\r\n\r\n"), std::string("GET\r\n\r\n"),
          std::string("GET / HTTP/9.9\r\n\r\n"), std::string("\0\0\0\0\r\n\r\n", 8),
          std::string("BREW /v1/pods HTTP/1.1\r\n\r\n"), std::string("GET /%%% HTTP/1.1\r\n\r\n"),
          std::string("\x16\x03\x01\x02\r\n\r\n")}) {
        const int status = send_raw(request).status;
        EXPECT_TRUE(status == 400 || status == 404) << status << " for " << request;
    }
    expect_serving();
}

TEST_F(HostileClient, SizesAreBounded) {
    EXPECT_EQ(send_raw("POST /v1/cni/gc HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n").status, 413);
    EXPECT_EQ(send_raw("POST /v1/cni/gc HTTP/1.1\r\nContent-Length: -1\r\n\r\n").status, 400);
    EXPECT_EQ(
        send_raw("POST /v1/cni/gc HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n").status,
        400);
    EXPECT_EQ(
        send_raw("POST /v1/cni/gc HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n1")
            .status,
        400);
    EXPECT_EQ(send_raw("POST /v1/cni/gc HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").status,
              411);
    EXPECT_EQ(send_raw("POST /v1/cni/gc HTTP/1.1\r\nContent-Encoding: gzip\r\n"
                       "Content-Length: 1\r\n\r\nx")
                  .status,
              415);
    EXPECT_EQ(send_raw("GET /v1/pods HTTP/1.1\r\nX: " + std::string(20000, 'x')).status, 431);
    EXPECT_EQ(send_raw("GET /" + std::string(9000, 'x') + " HTTP/1.1\r\n\r\n").status, 414);
    // The largest body is accepted, and then it is not JSON.
    EXPECT_EQ(ask("POST", "/v1/cni/gc", std::string(kMegabyte, 'x')).status, 400);
    EXPECT_EQ(ask("POST", "/v1/cni/gc", std::string(kMegabyte + 1, 'x')).status, 413);
    expect_serving();
}

TEST_F(HostileClient, ClosingInTheMiddle) {
    for (int i = 0; i < 50; ++i) {
        const Fd fd = connection();
        const std::string part = "POST /v1/cni/gc HTTP/1.1\r\nContent-Length: 100\r\n\r\n{";
        send(fd.get(), part.data(), part.size(), MSG_NOSIGNAL);
    }
    expect_serving();
}

TEST_F(HostileClient, NotReadingTheAnswerHoldsNoWorkerForLong) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    std::vector<Fd> deaf;
    for (int i = 0; i < 8; ++i) {
        deaf.push_back(connection());
        const int small = 4096;
        setsockopt(deaf.back().get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        const std::string request = "GET /metrics HTTP/1.1\r\n\r\n";
        send(deaf.back().get(), request.data(), request.size(), MSG_NOSIGNAL);
    }
    const auto begin = std::chrono::steady_clock::now();
    expect_serving();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

TEST_F(HostileClient, OnlyRootIsServed) {
    ASSERT_EQ(chmod(socket_path().c_str(), 0666), 0);
    ASSERT_EQ(chmod(directory.path().c_str(), 0755), 0);
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        int status = -1;
        if (setuid(65534) == 0) {
            const auto fd = connect_unix(socket_path(), 5);
            const std::string request = "GET /v1/pods HTTP/1.1\r\n\r\n";
            if (fd) {
                send(fd->get(), request.data(), request.size(), MSG_NOSIGNAL);
                status = parse_answer(read_all(*fd)).status;
            }
        }
        const bool told = write(ends[1], &status, sizeof(status)) == sizeof(status);
        _exit(told ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(read(ends[0], &status, sizeof(status)), static_cast<ssize_t>(sizeof(status)));
    waitpid(child, nullptr, 0);
    close(ends[0]);
    close(ends[1]);
    EXPECT_EQ(status, 403);
}

TEST_F(HostileClient, StopDoesNotWaitForClients) {
    const Fd idle = connection();
    const Fd half = connection();
    send(half.get(), "GET ", 4, MSG_NOSIGNAL);
    const auto begin = std::chrono::steady_clock::now();
    server.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
    EXPECT_FALSE(file_exists(socket_path()));
}

}  // namespace

}  // namespace fsm::testing
