#include "interceptor/install/reinsertion_pace.h"

#include <gtest/gtest.h>

namespace fsm {
namespace {

using namespace std::chrono_literals;
using Clock = ReinsertionPace::Clock;

class Pace : public ::testing::Test {
  protected:
    // The pause that follows an insertion of the entry.
    Clock::duration put_in(const std::string& file = "a") {
        pace.record_inserted(file, now);
        return std::max<Clock::duration>(0s, pace.not_before() - now);
    }

    ReinsertionPace pace;
    Clock::time_point now = Clock::now();
};

TEST_F(Pace, the_first_loss_is_made_good_at_once_and_the_next_ones_ever_later) {
    EXPECT_EQ(put_in(), 0s);
    for (const auto pause : {1s, 2s, 4s, 8s, 16s, 32s, 64s, 128s, 256s, 300s, 300s}) {
        EXPECT_EQ(put_in(), pause);
        now += pause;
    }
}

TEST_F(Pace, an_entry_that_stays_long_enough_has_no_opponent_any_more) {
    for (int times = 0; times < 5; ++times) {
        put_in();
    }
    now += ReinsertionPace::kSettledAfter;
    EXPECT_TRUE(pace.conflict(now));
    now += 1s;
    EXPECT_FALSE(pace.conflict(now));
    EXPECT_EQ(put_in(), 1s);
}

TEST_F(Pace, a_look_that_finds_the_entry_counts_nothing) {
    EXPECT_EQ(pace.record_present("a", now), 0U);
    EXPECT_EQ(pace.record_present("a", now), 0U);
    EXPECT_EQ(put_in(), 1s);  // it had been there
    EXPECT_EQ(pace.record_present("a", now), 1U);
}

TEST_F(Pace, one_loss_is_no_conflict_and_two_are) {
    put_in();
    put_in();
    EXPECT_FALSE(pace.conflict(now));
    put_in();
    const auto conflict = pace.conflict(now);
    ASSERT_TRUE(conflict);
    EXPECT_EQ(conflict->file, "a");
    EXPECT_EQ(conflict->times, 2U);
    EXPECT_EQ(conflict->pause, 2s);
}

TEST_F(Pace, a_new_first_file_is_no_loss) {
    put_in("a");
    EXPECT_EQ(put_in("0"), 0s);
    EXPECT_FALSE(pace.conflict(now));
}

}  // namespace
}  // namespace fsm
