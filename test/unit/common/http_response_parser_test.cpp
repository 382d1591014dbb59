#include "common/http/response_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fsm::http {
namespace {

// Feeds in pieces of `piece` bytes and then closes.
Result<Response> parse(std::string_view text, std::size_t piece) {
    ResponseParser parser;
    while (!text.empty()) {
        FSM_ASSIGN(const bool complete, parser.feed(text.substr(0, piece)));
        if (complete) {
            break;
        }
        text.remove_prefix(std::min(piece, text.size()));
    }
    return parser.finish();
}

struct Valid {
    const char* name;
    std::string text;
    int status;
    std::string body;
};

TEST(HttpResponseParser, reads_valid_responses_however_they_are_cut) {
    const std::vector<Valid> cases = {
        {"length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
        {"length of zero", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""},
        {"same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length:2\r\n\r\nok",
         200, "ok"},
        {"bytes behind it", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1", 200, "ok"},
        {"until close", "HTTP/1.0 200 OK\r\nServer: x\r\n\r\nok\r\n", 200, "ok\r\n"},
        {"no reason phrase", "HTTP/1.1 503\r\nContent-Length: 0\r\n\r\n", 503, ""},
        {"bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, "ok"},
        {"chunks",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\no\r\n01;x=y\r\nk\r\n0\r\n\r\n",
         200, "ok"},
        {"trailers",
         "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\nX: "
         "y\r\n\r\n",
         200, "0123456789"},
        {"chunk with line ends",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n", 200,
         "\r\n\r\n"},
        {"interim response",
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 X\r\nContent-Length: 9\r\n\r\n"
         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
         200, "ok"},
        {"no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
        {"not modified", "HTTP/1.1 304 X\r\nContent-Length: 7\r\n\r\n", 304, ""},
    };
    for (const Valid& test : cases) {
        for (const std::size_t piece : {1UL, 2UL, 3UL, 7UL, 1000UL}) {
            SCOPED_TRACE(std::string(test.name) + " in pieces of " + std::to_string(piece));
            const auto response = parse(test.text, piece);
            ASSERT_TRUE(response) << response.error().message();
            EXPECT_EQ(response->status, test.status);
            EXPECT_EQ(response->body, test.body);
        }
    }
}

struct Invalid {
    const char* name;
    std::string text;
    int errno_value;
};

TEST(HttpResponseParser, refuses_everything_else) {
    const std::string head = "HTTP/1.1 200 OK\r\n";
    const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
    const std::vector<Invalid> cases = {
        {"nothing", "", ECONNRESET},
        {"other protocol", "SSH-2.0-OpenSSH\r\n", EPROTO},
        {"binary", std::string("\0\1\2\3", 4), EPROTO},
        {"HTTP/2", "HTTP/2 200 OK\r\n\r\n", EPROTO},
        {"no status", "HTTP/1.1\r\n\r\n", EPROTO},
        {"status of letters", "HTTP/1.1 abc\r\n\r\n", EPROTO},
        {"status of two digits", "HTTP/1.1 20\r\n\r\n", EPROTO},
        {"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", EPROTO},
        {"status with a sign", "HTTP/1.1 -20 OK\r\n\r\n", EPROTO},
        {"low status", "HTTP/1.1 099 OK\r\n\r\n", EPROTO},
        {"no space", "HTTP/1.1_200 OK\r\n\r\n", EPROTO},
        {"header without colon", head + "nonsense\r\n\r\n", EPROTO},
        {"header without name", head + ": x\r\n\r\n", EPROTO},
        {"long line", head + std::string(9000, 'x'), EPROTO},
        {"long complete line", head + "X: " + std::string(9000, 'x') + "\r\n\r\n", EPROTO},
        {"length of letters", head + "Content-Length: two\r\n\r\nok", EPROTO},
        {"negative length", head + "Content-Length: -2\r\n\r\nok", EPROTO},
        {"empty length", head + "Content-Length:\r\n\r\nok", EPROTO},
        {"length list", head + "Content-Length: 2, 2\r\n\r\nok", EPROTO},
        {"two lengths", head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", EPROTO},
        {"overflowing length", head + "Content-Length: 99999999999999999999999\r\n\r\n", EPROTO},
        {"huge length", head + "Content-Length: 9999999999\r\n\r\n", EMSGSIZE},
        {"length and chunks",
         head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", EPROTO},
        {"compressed", head + "Transfer-Encoding: gzip, chunked\r\n\r\n", EPROTO},
        {"chunk of letters", chunked + "xyz\r\n", EPROTO},
        {"chunk without size", chunked + "\r\n", EPROTO},
        {"negative chunk", chunked + "-1\r\n", EPROTO},
        {"chunk in C notation", chunked + "0x2\r\nok\r\n0\r\n\r\n", EPROTO},
        {"huge chunk", chunked + "ffffffff\r\n", EMSGSIZE},
        {"overflowing chunk", chunked + "ffffffffffffffffffff\r\n", EPROTO},
        {"chunk longer than it says", chunked + "2\r\nokk\r\n0\r\n\r\n", EPROTO},
        {"closed in the status line", "HTTP/1.1 20", ECONNRESET},
        {"closed in the headers", head + "Content-", ECONNRESET},
        {"closed in the body", head + "Content-Length: 3\r\n\r\nok", ECONNRESET},
        {"closed in a chunk", chunked + "3\r\nok", ECONNRESET},
        {"closed between chunks", chunked + "2\r\nok\r\n", ECONNRESET},
        {"closed before the last line", chunked + "0\r\n", ECONNRESET},
        {"endless interim", "HTTP/1.1 100 Continue\r\n\r\n", ECONNRESET},
    };
    for (const Invalid& test : cases) {
        for (const std::size_t piece : {1UL, 3UL, 20000UL}) {
            SCOPED_TRACE(std::string(test.name) + " in pieces of " + std::to_string(piece));
            const auto response = parse(test.text, piece);
            ASSERT_FALSE(response);
            EXPECT_EQ(response.error().errno_value(), test.errno_value)
                << response.error().message();
        }
    }
}

TEST(HttpResponseParser, bounds_the_response_as_a_whole) {
    const std::string mebibyte(kMaxResponse, 'x');
    for (const std::string& start : {
             std::string("HTTP/1.1 200 OK\r\n\r\n"),
             "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kMaxResponse) + "\r\n\r\n",
         }) {
        const auto response = parse(start + mebibyte, 16384);
        ASSERT_FALSE(response);
        EXPECT_EQ(response.error().errno_value(), EMSGSIZE);
    }
}

TEST(HttpResponseParser, takes_what_fits_just_so) {
    const std::string head = "HTTP/1.1 200 OK\r\n\r\n";
    const std::string body(kMaxResponse - head.size(), 'x');
    const auto response = parse(head + body, 16384);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->body, body);
}

TEST(HttpResponseParser, shows_only_printable_text_of_a_stranger) {
    const auto response = parse("\x1b[2J\n", 100);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().message().find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace fsm::http
