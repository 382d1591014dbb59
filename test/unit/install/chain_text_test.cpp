#include "interceptor/install/chain_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace fsm {
namespace {

using nlohmann::json;

const std::string kEntry = R"({"type":"fsm-cni","socket":"/var/run/fsm-cni.sock"})";

TEST(ChainText, knows_the_files_that_runtimes_read) {
    EXPECT_EQ(config_form_of("10-flannel.conflist"), ConfigForm::list);
    EXPECT_EQ(config_form_of("87-podman.conf"), ConfigForm::single);
    EXPECT_EQ(config_form_of("net.json"), ConfigForm::single);
    // libcni checks only the suffix.
    EXPECT_EQ(config_form_of(".hidden.conf"), ConfigForm::single);
    for (const char* name : {"10-flannel.conflist.bak", "10-calico.conf.cilium_bak",
                             "calico-kubeconfig", "conf", "README", ".10-a.conflist.fsm-new",
                             ".10-a.conf.fsm-original", ".10-a.conf.fsm-original.fsm-new"}) {
        EXPECT_EQ(config_form_of(name), std::nullopt) << name;
    }
}

TEST(ChainText, accepts_what_runtimes_accept) {
    EXPECT_TRUE(validate_config(ConfigForm::list, R"({"name":"n","plugins":[{"type":"a"}]})"));
    EXPECT_TRUE(validate_config(ConfigForm::list,
                                R"({"cniVersion":"1.0.0","name":"n","plugins":[{"type":"a"}]})"));
    EXPECT_TRUE(validate_config(ConfigForm::single, R"({"name":"n","type":"a"})"));
}

TEST(ChainText, says_what_no_runtime_can_use) {
    const auto why = [](ConfigForm form, const std::string& text) {
        const auto valid = validate_config(form, text);
        return valid ? "valid" : valid.error().message();
    };
    EXPECT_NE(why(ConfigForm::list, "").find("not JSON"), std::string::npos);
    EXPECT_NE(why(ConfigForm::list, "{\"name\":\"n\",\"plug").find("half"), std::string::npos);
    EXPECT_NE(why(ConfigForm::list, "[]").find("object"), std::string::npos);
    EXPECT_NE(why(ConfigForm::list, "\xef\xbb\xbf{}").find("byte order"), std::string::npos);
    EXPECT_NE(why(ConfigForm::list, R"({"plugins":[{"type":"a"}]})").find("name"),
              std::string::npos);
    EXPECT_NE(
        why(ConfigForm::list, R"({"name":"n","loadOnlyInlinedPlugins":true})").find("plugins"),
        std::string::npos);
    EXPECT_NE(why(ConfigForm::list, R"({"name":"n","loadOnlyInlinedPlugins":1})").find("neither"),
              std::string::npos);
    EXPECT_NE(why(ConfigForm::list, R"({"name":"n","plugins":null})").find("plugins"),
              std::string::npos);
    EXPECT_NE(why(ConfigForm::list, R"({"name":"../n"})").find("name"), std::string::npos);
    EXPECT_NE(why(ConfigForm::list, R"({"name":"n","plugins":[]})").find("plugins"),
              std::string::npos);
    EXPECT_NE(why(ConfigForm::list, R"({"name":"n","plugins":[{"type":"a"},{}]})").find("[1]"),
              std::string::npos);
    EXPECT_NE(why(ConfigForm::list, R"({"name":"n","plugins":[1]})").find("[0]"),
              std::string::npos);
    EXPECT_NE(why(ConfigForm::list, R"({"cniVersion":1,"name":"n","plugins":[{"type":"a"}]})")
                  .find("cniVersion"),
              std::string::npos);
    // A chain in a file for one plugin, as runtimes see it.
    EXPECT_NE(why(ConfigForm::single, R"({"name":"n","plugins":[{"type":"a"}]})").find("type"),
              std::string::npos);
}

TEST(ChainText, a_list_without_plugins_loads_them_from_a_folder) {
    for (const char* text : {R"({"name":"n"})", R"({"name":"n","loadOnlyInlinedPlugins":false})",
                             R"({"name":"n","loadOnlyInlinedPlugins":"False"})"}) {
        EXPECT_TRUE(validate_config(ConfigForm::list, text)) << text;
        EXPECT_EQ(plugin_folder_of(text), "n") << text;
    }
    EXPECT_EQ(plugin_folder_of(R"({"name":"n","plugins":[{"type":"a"}]})"), std::nullopt);
}

// Go's decoder reads U+FFFD for invalid UTF-8; only the entry is written.
TEST(ChainText, bytes_that_are_no_characters_survive) {
    for (const std::string odd : {"\xff", "a\xc3", "\xed\xa0\x80", "\\ud800", "\\udc00\\ud83d",
                                  "\\ud83d\\ude00", "\\\\ud800"}) {
        const std::string before =
            R"({"name":"n","x":")" + odd + R"(","plugins":[{"type":"a","b":")" + odd + R"("}]})";
        ASSERT_TRUE(validate_config(ConfigForm::list, before)) << odd;
        const auto after = with_entry(before, kEntry);
        EXPECT_TRUE(has_entry(after));
        EXPECT_NE(after.find(R"({"type":"a","b":")" + odd + R"("})"), std::string::npos);
        EXPECT_EQ(with_entry(after, kEntry), after);
        EXPECT_EQ(without_entry(after), before);
    }
    // An entry of ours, too, whatever program has written it.
    const std::string ours = "{\"name\":\"n\",\"plugins\":[{\"type\":\"fsm-cni\",\"x\":\"\xff\"}]}";
    EXPECT_TRUE(has_entry(ours));
    EXPECT_FALSE(validate_config(ConfigForm::list, "{\"name\":\"n\xff\",\"plugins\":[}"));
}

TEST(ChainText, adds_the_entry_behind_the_others_and_leaves_every_other_byte_alone) {
    const std::string before = R"({
  "name": "n", "x": 1.50, "big": 123456789012345678901234567890, "x": 2e+3,
  "plugins": [
    {"type": "a", "mtu": 1450.0},
    {
      "type": "portmap"
    }
  ] , "y": "\u00e4\/"
}
)";
    const auto after = with_entry(before, kEntry);
    const std::string expected = ",\n    " + kEntry;
    ASSERT_EQ(after.size(), before.size() + expected.size());
    const auto where = after.find(expected);
    ASSERT_NE(where, std::string::npos);
    EXPECT_EQ(after.substr(0, where) + after.substr(where + expected.size()), before);
    EXPECT_EQ(json::parse(after)["plugins"][2], json::parse(kEntry));
    EXPECT_EQ(without_entry(after), before);
}

TEST(ChainText, adding_twice_is_adding_once) {
    const std::string before = R"({"name":"n","plugins":[{"type":"a"}]})";
    const auto once = with_entry(before, kEntry);
    EXPECT_EQ(once, R"({"name":"n","plugins":[{"type":"a"},)" + kEntry + "]}");
    EXPECT_EQ(with_entry(once, kEntry), once);
}

TEST(ChainText, an_entry_that_says_the_same_in_other_words_is_not_touched) {
    const std::string list =
        R"({"name":"n","plugins":[{"type":"a"}, {"socket": "/var/run/fsm-cni.sock", "type": "fsm-cni" }]})";
    EXPECT_EQ(with_entry(list, kEntry), list);
}

TEST(ChainText, an_entry_that_says_something_else_is_replaced_in_its_place) {
    const std::string list =
        R"({"name":"n","plugins":[{"type":"a"}, {"type":"fsm-cni","socket":"/old"}, {"type":"b"}]})";
    EXPECT_EQ(with_entry(list, kEntry),
              R"({"name":"n","plugins":[{"type":"a"}, )" + kEntry + R"(, {"type":"b"}]})");
}

TEST(ChainText, of_several_entries_the_first_one_stays) {
    const std::string list = R"({"name":"n","plugins":[{"type":"fsm-cni"},{"type":"a"},)" + kEntry +
                             R"(,{"type":"fsm-cni"}]})";
    EXPECT_EQ(with_entry(list, kEntry),
              R"({"name":"n","plugins":[)" + kEntry + R"(,{"type":"a"}]})");
    EXPECT_EQ(without_entry(list), R"({"name":"n","plugins":[{"type":"a"}]})");
}

TEST(ChainText, reads_the_last_of_repeated_members_as_runtimes_do) {
    const std::string list = R"({"name":"n","plugins":[{"type":"old"}],"plugins":[{"type":"a"}]})";
    EXPECT_EQ(json::parse(with_entry(list, kEntry))["plugins"].size(), 2U);
}

TEST(ChainText, makes_the_chain_that_a_runtime_would_make_of_a_single_plugin) {
    const std::string single = R"({
  "cniVersion": "0.3.1", "name": "br", "type": "bridge", "mtu": 1450.0, "n": 123456789012345678901
}
)";
    const auto list = as_list(single);
    EXPECT_TRUE(validate_config(ConfigForm::list, list));
    const auto document = json::parse(list);
    EXPECT_EQ(document["cniVersion"], "0.3.1");
    EXPECT_EQ(document["name"], "br");
    ASSERT_EQ(document["plugins"].size(), 1U);
    EXPECT_EQ(document["plugins"][0], json::parse(single));
    EXPECT_NE(list.find("1450.0, \"n\": 123456789012345678901"), std::string::npos);
    EXPECT_EQ(without_entry(with_entry(list, kEntry)), list);
}

TEST(ChainText, adds_no_version_where_there_was_none) {
    const auto document = json::parse(as_list(R"({"name":"br","type":"bridge"})"));
    EXPECT_FALSE(document.contains("cniVersion"));
}

}  // namespace
}  // namespace fsm
