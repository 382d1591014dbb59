#include "common/raw_json.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fsm {
namespace {

TEST(RawJson, cuts_a_member_out_as_it_is) {
    const std::vector<std::string> values = {
        "1.50",
        "12345678901234567890123456789",
        "-0.0e+5",
        "true",
        "null",
        "\"\"",
        R"("a \" } ] , \\")",
        R"("\u00e4\uD83D\uDE00")",
        "[]",
        "{}",
        R"({"b": [1, {"c": "]}"}], "b": 2 , "a": 1})",
        "[[[[\"[\"]]]]",
    };
    for (const std::string& value : values) {
        EXPECT_EQ(find_raw_member("{\"k\":" + value + "}", "k"), value);
        EXPECT_EQ(
            find_raw_member("\n { \"j\" : [1,2] ,\t\"k\"\r\n : " + value + " \n, \"l\":0 } ", "k"),
            value);
    }
}

TEST(RawJson, finds_members_of_the_outermost_object_only) {
    EXPECT_EQ(find_raw_member(R"({"a":{"k":1},"b":"k","c":["k",2]})", "k"), std::nullopt);
    EXPECT_EQ(find_raw_member(R"({"a":{"k":1},"k":2,"c":{"k":3}})", "k"), "2");
}

TEST(RawJson, takes_the_last_of_repeated_members) {
    EXPECT_EQ(find_raw_member(R"({"k":1,"k":2})", "k"), "2");
}

TEST(RawJson, knows_escaped_keys) {
    EXPECT_EQ(find_raw_member(R"({"\u006b":1})", "k"), "1");
}

TEST(RawJson, passes_over_a_byte_order_mark) {
    EXPECT_EQ(find_raw_member("\xef\xbb\xbf{\"k\":1}", "k"), "1");
}

TEST(RawJson, finds_nothing_where_there_is_nothing) {
    for (const char* text : {"", "{}", " ", "[]", "[\"k\"]", "1", "\"k\"", "null"}) {
        EXPECT_EQ(find_raw_member(text, "k"), std::nullopt) << text;
    }
}

TEST(RawJson, cuts_the_elements_of_a_list_out_as_they_are) {
    using Elements = std::vector<std::string_view>;
    EXPECT_EQ(raw_elements("[]"), Elements());
    EXPECT_EQ(raw_elements(" [ \n] "), Elements());
    EXPECT_EQ(raw_elements("[1.50, {\"a\": [\"]\"]}\n,\"x,y\" ,[ ], null ]"),
              (Elements{"1.50", "{\"a\": [\"]\"]}", "\"x,y\"", "[ ]", "null"}));
    EXPECT_EQ(raw_elements("{}"), Elements());
}

// The contract excludes such texts, but they must do no harm.
TEST(RawJson, stays_inside_of_broken_texts) {
    for (const std::string text : {"{\"k", "{\"k\"", "{\"k\":", "{\"k\":\"", "{\"k\":\"\\",
                                   "{\"k\":[", "{\"k\":{\"", "{\"k\":1,", "{\"\\"}) {
        const auto found = find_raw_member(text, "k");
        if (found) {
            EXPECT_LE(found->size(), text.size());
        }
    }
    for (const std::string text : {"[", "[1", "[}", "[,", "[1,", "[\"", "[[", "[{\"", "[:"}) {
        for (const auto element : raw_elements(text)) {
            EXPECT_LE(element.size(), text.size());
        }
    }
}

}  // namespace
}  // namespace fsm
