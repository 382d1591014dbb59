// The same mistake is told in the same words, whatever the document is written in. JSON is YAML,
// too: both readers get the same text.
#include "common/document/field_map.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/document/json_map.h"
#include "common/document/yaml_reader.h"

namespace fsm {
namespace {

template <typename Map>
void read_everything(Map top) {
    top.required_text("name");
    top.boolean("on", false);
    top.required_number("port", 1, 65535);
    top.texts("words");
    top.numbers("numbers", 0, 10);
    top.text_map("labels");
    top.required_map("below").each_map("list", [](Map entry) {
        entry.required_text("key");
        entry.refuse_unknown_keys();
    });
    top.refuse_unknown_keys();
}

std::string from_json(const std::string& text) {
    const auto document = nlohmann::json::parse(text);
    JsonReader reader;
    read_everything(JsonMap(document, reader, ""));
    return reader.error() ? reader.error()->message() : "";
}

std::string from_yaml(const std::string& text) {
    YamlReader reader("f", text.size());
    const auto documents = reader.load_documents(text);
    if (!documents) {
        return documents.error().message();
    }
    read_everything(YamlMap(documents->front(), reader, ""));
    const std::string origin = "f:1: ";
    const std::string message = reader.error() ? reader.error()->message() : "";
    return message.starts_with(origin) ? message.substr(origin.size()) : message;
}

struct Mistake {
    const char* member;  // that is added, or takes the place of the right one
    const char* message;
};

const std::vector<Mistake> kMistakes = {
    {R"("name": null)", "key name: is missing"},
    {R"("name": "")", "key name: must not be empty"},
    {R"("on": "perhaps")", "key on: \"perhaps\" is neither true nor false"},
    {R"("on": [])", "key on: a list is neither true nor false"},
    {R"("port": 0)", ""},
    {R"("port": null)", "key port: is missing"},
    {R"("port": {})", "key port: a mapping is not a number from 1 to 65535"},
    {R"("words": "a")", "key words: must be a list, not \"a\""},
    {R"("numbers": [1, []])", "key numbers[1]: a list is not a number from 0 to 10"},
    {R"("labels": [])", "key labels: must be a mapping (key: value), not a list"},
    {R"("below": null)", "key below: is missing"},
    {R"("below": {"list": [{"key": "k"}, {}]})", "key below.list[1].key: is missing"},
    {R"("below": {"list": [7]})", ""},
    {R"("below": {"list": [{"key": "k", "other": 1}]})",
     "key below.list[0].other: is not known here; is it spelled right?"},
    {R"("other": 1)", "key other: is not known here; is it spelled right?"},
};

// The right document with one member of it changed.
std::string document_with(const std::string& member) {
    auto document = nlohmann::json::parse(
        R"({"name": "n", "on": true, "port": 80, "words": ["a"], "numbers": [1],
            "labels": {"a": "b", "c": null}, "below": {"list": [{"key": "k"}]}})");
    if (!member.empty()) {
        document.update(nlohmann::json::parse("{" + member + "}"));
    }
    return document.dump();
}

TEST(FieldMap, ReadsWhatIsRight) {
    EXPECT_EQ(from_json(document_with("")), "");
    EXPECT_EQ(from_yaml(document_with("")), "");
}

TEST(FieldMap, TheSameMistakeIsToldInTheSameWords) {
    for (const Mistake& mistake : kMistakes) {
        SCOPED_TRACE(mistake.member);
        const std::string text = document_with(mistake.member);
        const std::string told = from_json(text);
        EXPECT_NE(told, "");
        if (*mistake.message != '\0') {  // numbers are shown as each notation knows them
            EXPECT_EQ(told, mistake.message);
            EXPECT_EQ(from_yaml(text), mistake.message);
        } else {
            EXPECT_NE(from_yaml(text), "");
        }
    }
}

TEST(FieldMap, AScalarOfYamlIsWhatItIsAskedForAndOneOfJsonIsTyped) {
    EXPECT_EQ(from_yaml(document_with(R"("name": 7)")), "");
    EXPECT_EQ(from_json(document_with(R"("name": 7)")), "key name: must be a text, not 7");
    EXPECT_EQ(from_json(document_with(R"("port": "80")")),
              "key port: \"80\" is not a number from 1 to 65535");
}

}  // namespace
}  // namespace fsm
