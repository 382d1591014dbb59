#include "interceptor/sync/search_pace.h"

#include <gtest/gtest.h>

namespace fsm {
namespace {

using namespace std::chrono_literals;

TEST(SearchPace, looks_at_once_for_what_is_new_and_ever_more_rarely_for_the_rest) {
    SearchPace pace;
    auto now = SearchPace::Clock::now();
    EXPECT_FALSE(pace.is_due({}, now));
    EXPECT_TRUE(pace.is_due({"a"}, now));
    for (const auto pause : {2s, 4s, 8s, 16s, 16s, 16s}) {
        EXPECT_FALSE(pace.is_due({"a"}, now + pause - 1ms));
        now += pause;
        EXPECT_TRUE(pace.is_due({"a"}, now)) << pause.count();
    }
    EXPECT_TRUE(pace.is_due({"a", "b"}, now));
    EXPECT_FALSE(pace.is_due({"b"}, now + 1s)) << "one of them has been found";
    EXPECT_TRUE(pace.is_due({"b"}, now + 2s));
}

TEST(SearchPace, one_that_was_found_and_is_missing_again_is_new) {
    SearchPace pace;
    const auto now = SearchPace::Clock::now();
    EXPECT_TRUE(pace.is_due({"a"}, now));
    EXPECT_FALSE(pace.is_due({}, now));
    EXPECT_TRUE(pace.is_due({"a"}, now));
}

}  // namespace
}  // namespace fsm
