#include "common/document/json_map.h"

#include "common/document/field_map_body.h"
#include "common/text.h"

namespace fsm {

using nlohmann::json;

template class FieldMap<JsonNotation>;

void JsonReader::fail(const JsonNode&, const std::string& path, const std::string& what) {
    if (!error_) {
        error_ = Error(printable((path.empty() ? "" : "key " + path + ": ") + what), EINVAL);
    }
}

bool JsonNotation::is_absent(const Node& node) {
    return node.value() == nullptr || node.value()->is_null();
}

bool JsonNotation::is_map(const Node& node) {
    return node.value()->is_object();
}

bool JsonNotation::is_list(const Node& node) {
    return node.value()->is_array();
}

std::optional<std::string> JsonNotation::text(const Node& node) {
    return node.value()->is_string() ? std::optional(node.value()->get<std::string>())
                                     : std::nullopt;
}

std::optional<bool> JsonNotation::boolean(const Node& node) {
    return node.value()->is_boolean() ? std::optional(node.value()->get<bool>()) : std::nullopt;
}

// What is not negative is unsigned for the parser.
std::optional<std::uint64_t> JsonNotation::number(const Node& node) {
    return node.value()->is_number_unsigned() ? std::optional(node.value()->get<std::uint64_t>())
                                              : std::nullopt;
}

std::string JsonNotation::describe(const Node& node) {
    switch (node.value()->type()) {
        case json::value_t::object:
            return "a mapping";
        case json::value_t::array:
            return "a list";
        case json::value_t::string:
            return in_quotes(node.value()->get_ref<const std::string&>());
        case json::value_t::null:
            return "nothing";
        default:
            return node.value()->dump();
    }
}

std::optional<JsonNode> JsonNotation::find(const Fields& fields, const std::string& key) {
    if (fields.value() == nullptr) {
        return std::nullopt;
    }
    const auto found = fields.value()->find(key);
    return found == fields.value()->end() ? std::nullopt : std::optional(JsonNode(*found));
}

void JsonNotation::for_each(const Fields& fields,
                            const std::function<bool(const std::string&, const Node&)>& use) {
    if (fields.value() == nullptr) {
        return;
    }
    for (const auto& [name, value] : fields.value()->items()) {
        if (!use(name, value)) {
            return;
        }
    }
}

void JsonNotation::for_each_entry(const Node& node, const std::function<bool(const Node&)>& use) {
    for (const json& entry : *node.value()) {
        if (!use(entry)) {
            return;
        }
    }
}

}  // namespace fsm
