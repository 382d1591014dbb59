#include "common/base64.h"

#include <gtest/gtest.h>

namespace fsm::testing {

namespace {

TEST(Base64, Decodes) {
    EXPECT_EQ(*decode_base64(""), "");
    EXPECT_EQ(*decode_base64("Zg=="), "f");
    EXPECT_EQ(*decode_base64("Zm8="), "fo");
    EXPECT_EQ(*decode_base64("Zm9v"), "foo");
    EXPECT_EQ(*decode_base64("+/+/"), "\xfb\xff\xbf");
    EXPECT_EQ(decode_base64("AAAA")->size(), 3U);
}

TEST(Base64, Refuses) {
    for (const char* text :
         {"Z", "Zg=", "Zg", "Z===", "====", "Zm 9", "Zm9v\n", "Zg==Zg==", "-_-_"}) {
        EXPECT_FALSE(decode_base64(text)) << text;
    }
}

}  // namespace

}  // namespace fsm::testing
