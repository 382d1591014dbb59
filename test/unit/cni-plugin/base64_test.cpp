#include "cni-plugin/base64.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace fsm {
namespace {

// The vectors of RFC 4648, section 10.
TEST(Base64, encodes_the_vectors_of_the_rfc) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (const auto& [bytes, text] : cases) {
        EXPECT_EQ(encode_base64(bytes), text);
    }
}

TEST(Base64, encodes_bytes_that_are_no_text) {
    EXPECT_EQ(encode_base64(std::string("\xff\xfe\x00\xfb", 4)), "//4A+w==");
}

}  // namespace
}  // namespace fsm
