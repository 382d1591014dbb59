#include "cni-plugin/standard_streams.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <thread>

#include "common/fd.h"

namespace fsm::plugin {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Deadline in(milliseconds time) {
    return steady_clock::now() + time;
}

class StandardStreamsTest : public testing::Test {
  protected:
    void SetUp() override {
        std::array<int, 2> ends{};
        ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
        reader_.reset(ends[0]);
        writer_.reset(ends[1]);
    }

    Fd reader_;
    Fd writer_;
};

TEST_F(StandardStreamsTest, reads_everything_that_was_written_in_pieces) {
    std::thread writing([this] {
        EXPECT_TRUE(write_to(writer_.get(), "ab"));
        std::this_thread::sleep_for(milliseconds(20));
        EXPECT_TRUE(write_to(writer_.get(), "cd"));
        writer_.reset();
    });
    const auto text = read_until_end(reader_.get(), in(milliseconds(5000)));
    writing.join();
    ASSERT_TRUE(text);
    EXPECT_EQ(*text, "abcd");
}

TEST_F(StandardStreamsTest, does_not_wait_for_ever) {
    ASSERT_TRUE(write_to(writer_.get(), "ab"));
    const auto begin = steady_clock::now();
    const auto text = read_until_end(reader_.get(), in(milliseconds(100)));
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().errno_value(), ETIMEDOUT);
    EXPECT_LT(steady_clock::now() - begin, milliseconds(2000));
}

TEST_F(StandardStreamsTest, refuses_more_than_the_limit) {
    std::thread writing([this] {
        EXPECT_TRUE(write_to(writer_.get(), std::string(kMaxStdin, 'x')));
        EXPECT_TRUE(write_to(writer_.get(), "y"));
        writer_.reset();
    });
    const auto text = read_until_end(reader_.get(), in(milliseconds(10000)));
    writing.join();
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().errno_value(), EMSGSIZE);
}

TEST_F(StandardStreamsTest, reports_a_closed_descriptor) {
    EXPECT_FALSE(read_until_end(-1, in(milliseconds(100))));
    EXPECT_FALSE(write_to(-1, "x"));
}

TEST_F(StandardStreamsTest, reports_a_reader_that_has_gone_away) {
    std::signal(SIGPIPE, SIG_IGN);
    reader_.reset();
    const auto written = write_to(writer_.get(), "x");
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().errno_value(), EPIPE);
}

}  // namespace
}  // namespace fsm::plugin
