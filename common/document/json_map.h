// JsonMap: the typed fields of a JSON object. JSON is typed: a number is not a text.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/document/field_map.h"
#include "common/result.h"

namespace fsm {

// A value of a document that outlives this object; null: it is absent.
class JsonNode {
  public:
    JsonNode() = default;
    JsonNode(const nlohmann::json& value) : value_(&value) {}  // NOLINT: a value is a node

    const nlohmann::json* value() const { return value_; }

  private:
    const nlohmann::json* value_ = nullptr;
};

// Keeps the first error: "key spec.containers: is missing".
class JsonReader {
  public:
    void fail(const JsonNode& node, const std::string& path, const std::string& what);
    static bool visit(const JsonNode&, const std::string&) { return true; }
    const std::optional<Error>& error() const { return error_; }

  private:
    std::optional<Error> error_;
};

// See field_map_body.h.
struct JsonNotation {
    using Node = JsonNode;
    using Reader = JsonReader;
    using Fields = JsonNode;

    static constexpr const char* kText = "a text";
    static bool is_absent(const Node& node);
    static bool is_map(const Node& node);
    static bool is_list(const Node& node);
    static std::optional<std::string> text(const Node& node);
    static std::optional<bool> boolean(const Node& node);
    static std::optional<std::uint64_t> number(const Node& node);
    static std::string describe(const Node& node);
    static Fields fields(const Node& node, Reader&, const std::string&) { return node; }
    static std::optional<Node> find(const Fields& fields, const std::string& key);
    static void for_each(const Fields& fields,
                         const std::function<bool(const std::string&, const Node&)>& use);
    static void for_each_entry(const Node& node, const std::function<bool(const Node&)>& use);
};

extern template class FieldMap<JsonNotation>;
using JsonMap = FieldMap<JsonNotation>;

}  // namespace fsm
