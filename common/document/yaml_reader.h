// Reads YAML from users: bounded, and with errors that name file, line and key.
//
// A YamlReader keeps the first error; after it, every accessor returns a default, and the caller
// checks error() once, at the end. Nothing here throws: exceptions of yaml-cpp are caught in
// load_documents() and inside the accessors.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/document/field_map.h"
#include "common/result.h"

namespace fsm {

class YamlReader {
  public:
    // `origin` is named in errors. Aliases multiply the nodes that a walk visits: the limit is a
    // small multiple of what a text of that size can contain without aliases.
    YamlReader(std::string origin, std::size_t text_size)
        : origin_(std::move(origin)), budget_(4 * text_size + kLeastBudget) {}

    // All documents of a text; empty ones are null nodes.
    Result<std::vector<YAML::Node>> load_documents(std::string_view text) const;

    // `key` may be empty: the document itself.
    void fail(const YAML::Node& node, const std::string& key, const std::string& what);
    const std::optional<Error>& error() const { return error_; }
    // Counts one visited node; false if the walk must end.
    bool visit(const YAML::Node& node, const std::string& key);

  private:
    static constexpr std::size_t kLeastBudget = 65'536;

    std::string origin_;
    std::size_t budget_;  // in nodes and bytes of their texts
    std::optional<Error> error_;
};

// See field_map_body.h. A YAML scalar has the requested type: 15 is also a text.
struct YamlNotation {
    using Node = YAML::Node;
    using Reader = YamlReader;
    using Fields = std::map<std::string, YAML::Node>;

    static constexpr const char* kText = "a single value";
    static bool is_absent(const Node& node) { return !node.IsDefined() || node.IsNull(); }
    static bool is_map(const Node& node) { return node.IsMap(); }
    static bool is_list(const Node& node) { return node.IsSequence(); }
    static std::optional<std::string> text(const Node& node);
    static std::optional<bool> boolean(const Node& node);
    static std::optional<std::uint64_t> number(const Node& node);
    static std::string describe(const Node& node);
    // A key that is not a text or is repeated, and a merge key, are errors.
    static Fields fields(const Node& node, Reader& reader, const std::string& path);
    static std::optional<Node> find(const Fields& fields, const std::string& key);
    static void for_each(const Fields& fields,
                         const std::function<bool(const std::string&, const Node&)>& use);
    static void for_each_entry(const Node& node, const std::function<bool(const Node&)>& use);
};

extern template class FieldMap<YamlNotation>;
using YamlMap = FieldMap<YamlNotation>;

}  // namespace fsm
