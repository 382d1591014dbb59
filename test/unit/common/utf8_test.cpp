#include "common/utf8.h"

#include <gtest/gtest.h>

namespace fsm::testing {

namespace {

TEST(Utf8, IsWhatTheStandardSays) {
    for (const char* text :
         {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
          "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xc3\xa4z"}) {
        EXPECT_TRUE(is_utf8(text)) << text;
        EXPECT_EQ(with_valid_utf8(text), text);
    }
}

// Overlong forms, surrogates, beyond U+10FFFF, cut, continued without a start.
TEST(Utf8, IsNothingElse) {
    for (const char* text :
         {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2z", "\xe0\x9f\xbf", "\xe0\xa0",
          "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
        EXPECT_FALSE(is_utf8(text));
        EXPECT_FALSE(is_utf8(std::string("a") + text));
        EXPECT_TRUE(is_utf8(with_valid_utf8(std::string("a") + text + "z")));
    }
}

TEST(Utf8, EachByteThatIsNoneIsReplaced) {
    EXPECT_EQ(with_valid_utf8("a\xffz\xe0\xa0"), "a\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd");
}

}  // namespace

}  // namespace fsm::testing
