#include "common/base64.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

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

// The vectors of RFC 4648, section 10.
TEST(Base64, EncodesWhatDecodesToTheSame) {
    const std::pair<std::string, std::string> cases[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {std::string("\xff\xfe\x00\xfb", 4), "//4A+w=="},
    };
    for (const auto& [bytes, text] : cases) {
        EXPECT_EQ(encode_base64(bytes), text);
        EXPECT_EQ(*decode_base64(text), bytes);
    }
}

TEST(Base64, Refuses) {
    for (const char* text :
         {"Z", "Zg=", "Zg", "Z===", "====", "Zm 9", "Zm9v\n", "Zg==Zg==", "-_-_"}) {
        EXPECT_FALSE(decode_base64(text)) << text;
    }
}

}  // namespace

}  // namespace fsm::testing
