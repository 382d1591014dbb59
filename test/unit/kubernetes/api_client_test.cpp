#include "interceptor/kubernetes/api_client.h"

#include <filesystem>

#include "api_fixture.h"

namespace fsm::testing {

namespace {

using ::testing::HasSubstr;

constexpr std::size_t kLimit = 100'000;
constexpr RequestTimes kTimes{2000ms, 2000ms};

bool any(const ReceivedRequest&) {
    return true;
}

class ApiClientTest : public ApiTest {
  protected:
    static Result<ApiAnswer> get(const ClusterAccess& access) {
        ApiClient client(access, 2s);
        return client.get("/api/v1/pods?limit=1", kLimit, kTimes);
    }
    static std::string failure(const ClusterAccess& access) {
        const auto answer = get(access);
        return answer ? "status " + std::to_string(answer->status) : answer.error().message();
    }
    int open_descriptors() const {
        int count = 0;
        for ([[maybe_unused]] const auto& entry :
             std::filesystem::directory_iterator("/proc/self/fd")) {
            ++count;
        }
        return count;
    }
};

TEST_F(ApiClientTest, GetsAnAnswer) {
    const auto answer = get(access());
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(answer->status, 200);
    EXPECT_THAT(answer->body, HasSubstr("items"));
    EXPECT_EQ(server_.requests().at(0).host, "127.0.0.1:" + std::to_string(server_.port()));
}

TEST_F(ApiClientTest, KeepsItsConnection) {
    ApiClient client(access(), 2s);
    ASSERT_TRUE(client.get("/api/v1/pods?limit=1", kLimit, kTimes));
    const int descriptors = open_descriptors();
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(client.get("/api/v1/pods?limit=1", kLimit, kTimes));
    }
    EXPECT_EQ(open_descriptors(), descriptors);
}

TEST_F(ApiClientTest, AConnectionThatWasClosedWhileIdleIsNoFailure) {
    ApiClient client(access(), 2s);
    ASSERT_TRUE(client.get("/api/v1/pods?limit=1", kLimit, kTimes));
    server_.stop();
    server_.start();
    const auto answer = client.get("/api/v1/pods?limit=1", kLimit, kTimes);
    EXPECT_TRUE(answer) << answer.error().message();
}

TEST_F(ApiClientTest, AServerOfAnotherAuthorityIsNotTalkedTo) {
    const TestAuthority other("another authority");
    ClusterAccess wrong = access();
    wrong.authority.text = other.certificate();
    EXPECT_THAT(failure(wrong), HasSubstr("certificate is not accepted"));
    EXPECT_TRUE(server_.requests().empty());
}

TEST_F(ApiClientTest, WithoutAnAuthorityTheSystemsCount) {
    ClusterAccess unknown = access();
    unknown.authority = {};
    EXPECT_THAT(failure(unknown), HasSubstr("certificate is not accepted"));
}

TEST_F(ApiClientTest, AServerOfAnotherNameIsNotTalkedTo) {
    ClusterAccess other = access();
    other.tls_server_name = "other.test";
    EXPECT_THAT(failure(other), HasSubstr("ame mismatch"));
    EXPECT_TRUE(server_.requests().empty());
}

TEST_F(ApiClientTest, ACertificateForAnotherAddressIsNotAccepted) {
    ApiServer elsewhere(authority_.issue("127.0.0.1", {"IP:10.0.0.1", "DNS:127.0.0.1"}));
    ClusterAccess to = access();
    to.port = elsewhere.port();
    EXPECT_THAT(failure(to), HasSubstr("IP address mismatch"));
}

TEST_F(ApiClientTest, AnAuthorityNeedNotBeARoot) {
    ClusterAccess pinned = access();
    pinned.authority.text = certificate_.certificate;  // issued by another one
    EXPECT_EQ(failure(pinned), "status 200");
}

TEST_F(ApiClientTest, ACommonNameIsNotEnough) {
    ApiServer old_style(authority_.issue("api.test"));
    ClusterAccess to = access();
    to.port = old_style.port();
    to.tls_server_name = "api.test";
    EXPECT_THAT(failure(to), HasSubstr("ame mismatch"));
}

TEST_F(ApiClientTest, TheNameForTlsCanBeAnother) {
    ClusterAccess named = access();
    named.tls_server_name = "api.test";
    EXPECT_EQ(failure(named), "status 200");
    EXPECT_EQ(server_.requests().at(0).host, "127.0.0.1:" + std::to_string(server_.port()));
}

TEST_F(ApiClientTest, VerificationCanBeSkippedOnDemand) {
    ClusterAccess any_server = access();
    any_server.authority = {};
    any_server.skip_verification = true;
    EXPECT_EQ(failure(any_server), "status 200");
}

TEST_F(ApiClientTest, ShowsItsCertificate) {
    ApiServer strict(certificate_, authority_.certificate());
    ClusterAccess without = access();
    without.port = strict.port();
    EXPECT_FALSE(get(without));
    const TestCertificate own = authority_.issue("node");
    ClusterAccess with = without;
    with.client_certificate.text = own.certificate;
    with.client_key.file = directory_.write("key.pem", own.key);
    EXPECT_EQ(failure(with), "status 200");
    with.client_key.text = authority_.issue("another client").key;
    with.client_key.file.clear();
    EXPECT_THAT(failure(with), HasSubstr("client key"));
}

TEST_F(ApiClientTest, NamesTheFileThatIsWrong) {
    ClusterAccess broken = access();
    broken.authority.file = directory_.write("ca.crt", "no certificate");
    EXPECT_THAT(failure(broken), HasSubstr(broken.authority.file));
    broken.authority.file = directory_.path() + "/absent";
    EXPECT_THAT(failure(broken), HasSubstr(broken.authority.file));
    broken = access();
    broken.token.file = directory_.path() + "/absent";
    EXPECT_THAT(failure(broken), HasSubstr(broken.token.file));
    broken.token.file = directory_.write("token", "a\r\nX-Other: header\n");
    EXPECT_THAT(failure(broken), HasSubstr("does not hold a token"));
}

TEST_F(ApiClientTest, ARotatedTokenIsReadAgain) {
    ClusterAccess with = access();
    with.token.file = directory_.write("token", "first\n");
    ApiClient client(with, 2s, 1h);
    server_.set_token("first");
    EXPECT_EQ(client.get("/api/v1/pods?limit=1", kLimit, kTimes)->status, 200);
    server_.set_token("second");
    EXPECT_EQ(client.get("/api/v1/pods?limit=1", kLimit, kTimes)->status, 401);
    directory_.write("token", "second\n");
    EXPECT_EQ(client.get("/api/v1/pods?limit=1", kLimit, kTimes)->status, 200);
}

TEST_F(ApiClientTest, ATokenIsReadAgainInTime) {
    ClusterAccess with = access();
    with.token.file = directory_.write("token", "first\n");
    ApiClient client(with, 2s, 50ms);
    ASSERT_TRUE(client.get("/api/v1/pods?limit=1", kLimit, kTimes));
    directory_.write("token", "second\n");
    std::this_thread::sleep_for(60ms);
    ASSERT_TRUE(client.get("/api/v1/pods?limit=1", kLimit, kTimes));
    EXPECT_EQ(server_.requests().back().token, "second");
    std::filesystem::remove(with.token.file);
    std::this_thread::sleep_for(60ms);
    ASSERT_TRUE(client.get("/api/v1/pods?limit=1", kLimit, kTimes));
    EXPECT_EQ(server_.requests().back().token, "second") << "the last one that was known";
}

TEST_F(ApiClientTest, RefusalsAreAnswers) {
    server_.next(
        any, [](Exchange& exchange) { exchange.refuse(403, "Forbidden", "pods is forbidden"); });
    const auto answer = get(access());
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->describe(), "403 Forbidden: pods is forbidden");
    EXPECT_FALSE(answer->is_not_found());
    // A proxy's 404 for an unknown page is not the API's 404 for an unknown pod.
    server_.next(any, [](Exchange& exchange) { exchange.answer(404, "<html>not found</html>"); });
    EXPECT_FALSE(get(access())->is_not_found());
    server_.next(any, [](Exchange& exchange) { exchange.refuse(404, "NotFound", "no such pod"); });
    EXPECT_TRUE(get(access())->is_not_found());
}

TEST_F(ApiClientTest, AnswersAreBounded) {
    server_.next(any,
                 [](Exchange& exchange) { exchange.answer(200, std::string(kLimit + 1, ' ')); });
    const auto large = get(access());
    ASSERT_FALSE(large);
    EXPECT_EQ(large.error().errno_value(), EFBIG);
    server_.next(any, [](Exchange& exchange) {
        exchange.answer(500, std::string(std::size_t{1} << 20, ' '));
        exchange.close();
    });
    const auto refusal = get(access());
    ASSERT_TRUE(refusal) << refusal.error().message();
    EXPECT_EQ(refusal->status, 500);
}

TEST_F(ApiClientTest, WhatIsNotWholeIsAnError) {
    const std::string bad[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"items\"",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"ite",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        "HTTP/1.1 200",
        "SSH-2.0-OpenSSH\r\n\r\n",
        std::string("\0\0\0", 3),
        "",
    };
    for (const auto& bytes : bad) {
        server_.next(any, [&](Exchange& exchange) {
            exchange.raw(bytes);
            exchange.close();
        });
        const auto answer = get(access());
        EXPECT_FALSE(answer) << bytes;
    }
}

TEST_F(ApiClientTest, SlownessIsBounded) {
    ApiClient client(access(), 2s);
    const auto began = std::chrono::steady_clock::now();
    server_.next(any, [](Exchange& exchange) {
        std::this_thread::sleep_for(400ms);
        exchange.close();
    });
    EXPECT_FALSE(client.get("/api/v1/pods", kLimit, {100ms, 100ms}));
    // Occasional pieces are not an answer, either.
    server_.next(any, [](Exchange& exchange) {
        exchange.begin_chunks();
        for (int i = 0; i < 100 && exchange.chunk(" "); ++i) {
            std::this_thread::sleep_for(10ms);
        }
    });
    const auto trickled = client.get("/api/v1/pods", kLimit, {100ms, 150ms});
    ASSERT_FALSE(trickled);
    EXPECT_THAT(trickled.error().message(), HasSubstr("in time"));
    EXPECT_LT(std::chrono::steady_clock::now() - began, 3s);
}

TEST_F(ApiClientTest, NobodyThere) {
    server_.stop();
    EXPECT_THAT(failure(access()), HasSubstr("cannot connect"));
    server_.start();
    EXPECT_EQ(failure(access()), "status 200");
}

TEST_F(ApiClientTest, AStreamComesInPiecesAndEndsWhenItsTakerHasEnough) {
    server_.next(any, [](Exchange& exchange) {
        exchange.begin_chunks();
        while (exchange.chunk("piece\n")) {
            std::this_thread::sleep_for(1ms);
        }
    });
    ApiClient client(access(), 2s);
    std::string taken;
    bool opened = false;
    const auto answer = client.stream("/api/v1/pods?watch=1", 2s,
                                      {[&] { opened = true; },
                                       [&](std::string_view bytes) {
                                           taken += bytes;
                                           return taken.size() < 30;
                                       }});
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_TRUE(opened);
    EXPECT_EQ(answer->status, 200);
    EXPECT_GE(taken.size(), 30U);
}

TEST_F(ApiClientTest, InterruptEndsAStreamThatIsSilent) {
    server_.next(any, [](Exchange& exchange) {
        exchange.begin_chunks();
        std::this_thread::sleep_for(500ms);
    });
    ApiClient client(access(), 2s);
    std::atomic<bool> opened = false;
    std::thread reader([&] {
        const auto answer =
            client.stream("/api/v1/pods?watch=1", 60s,
                          {[&] { opened = true; }, [](std::string_view) { return true; }});
        EXPECT_FALSE(answer);
    });
    EXPECT_TRUE(eventually([&] { return opened.load(); }));
    const auto began = std::chrono::steady_clock::now();
    client.interrupt();
    reader.join();
    EXPECT_LT(std::chrono::steady_clock::now() - began, 300ms);
    EXPECT_FALSE(client.get("/api/v1/pods", kLimit, kTimes));
}

TEST(Encoded, LeavesNothingThatAUrlUnderstands) {
    EXPECT_EQ(encoded("a-B.c_9~"), "a-B.c_9~");
    EXPECT_EQ(encoded("a=b&c d/?#%"), "a%3Db%26c%20d%2F%3F%23%25");
    EXPECT_EQ(encoded("\xff"), "%FF");
}

}  // namespace

}  // namespace fsm::testing
