#include "interceptor/api/request_buffer.h"

#include <gtest/gtest.h>

namespace fsm::testing {

namespace {

using State = RequestBuffer::State;

TEST(RequestBuffer, IsCompleteAtEverySplit) {
    const std::string request =
        "POST /x HTTP/1.1\r\nhost: a\r\nCONTENT-length:  5 \r\nX: y\r\n\r\nhello";
    for (std::size_t split = 1; split < request.size(); ++split) {
        RequestBuffer buffer(100);
        ASSERT_EQ(buffer.append(request.substr(0, split)), State::incomplete) << split;
        ASSERT_EQ(buffer.append(request.substr(split) + "GET / "), State::complete) << split;
        EXPECT_EQ(buffer.take(), request);
    }
}

TEST(RequestBuffer, ARequestWithoutBodyEndsWithItsHeader) {
    RequestBuffer buffer(100);
    EXPECT_TRUE(buffer.empty());
    EXPECT_EQ(buffer.append("GET / HTTP/1.1\r\n\r\n"), State::complete);
}

TEST(RequestBuffer, AnEndlessHeaderIsRefused) {
    RequestBuffer buffer(100);
    State state = State::incomplete;
    for (int i = 0; i < 20 && state == State::incomplete; ++i) {
        state = buffer.append(std::string(1000, 'x'));
    }
    EXPECT_EQ(state, State::refused);
    EXPECT_EQ(buffer.status(), 431);
}

}  // namespace

}  // namespace fsm::testing
