#include "interceptor/api/tcp_listener.h"

#include <gtest/gtest.h>

namespace fsm::testing {

namespace {

std::string parsed(const std::string& text) {
    const auto address = ListenAddress::parse(text);
    return address ? address->to_string() : "refused: " + address.error().message();
}

TEST(ListenAddress, IsReadInEveryForm) {
    EXPECT_EQ(parsed("10.1.2.3:9091"), "10.1.2.3:9091");
    EXPECT_EQ(parsed("[fd00::1]:1"), "[fd00::1]:1");
    EXPECT_EQ(parsed(":65535"), "[::]:65535");
}

TEST(ListenAddress, RefusesWhatIsNone) {
    for (const char* text : {"", "9091", ":", ":0", ":65536", ":-1", ": 1", ":1x", "localhost:9091",
                             "fd00::1:9091", "[]:1", "[fd00::1:1", "10.1.2:1"}) {
        EXPECT_EQ(parsed(text).rfind("refused: ", 0), 0U) << text;
    }
}

TEST(TcpListener, SaysWhichAddressIsTaken) {
    const auto first = TcpListener::open({*IpAddress::parse("127.0.0.1"), 18591});
    ASSERT_TRUE(first) << first.error().message();
    const auto second = TcpListener::open({*IpAddress::parse("127.0.0.1"), 18591});
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message().find("127.0.0.1:18591"), std::string::npos);
}

}  // namespace

}  // namespace fsm::testing
