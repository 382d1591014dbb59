// FieldMap: one mapping of a document from a user, with typed accessors of its fields. The same for
// every notation, so that errors have the same texts.
//
// The reader of the document keeps the first error, with the path of its field; after it, every
// accessor returns a default, and the caller checks the reader's error() once, at the end. Nothing
// here throws.
//
// A Notation (YamlNotation in yaml_reader.h, JsonNotation in json_map.h) has the types Node, a
// value that is cheap to copy, and Reader, and the functions on a Node in field_map_body.h.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace fsm {

// Refers to the document and its reader. A field whose value is null counts as absent.
template <typename Notation>
class FieldMap {
  public:
    using Node = typename Notation::Node;
    using Reader = typename Notation::Reader;

    // `path` is the key of the mapping itself, "spec.containers[0]"; empty at the top.
    FieldMap(const Node& node, Reader& reader, std::string path);

    bool has(const std::string& key) const;
    // The path of a key below this mapping, for errors.
    std::string path_of(const std::string& key) const;

    std::string required_text(const std::string& key);
    std::string text(const std::string& key);
    std::optional<std::string> optional_text(const std::string& key);
    bool boolean(const std::string& key, bool when_absent);
    std::optional<std::uint64_t> number(const std::string& key, std::uint64_t low,
                                        std::uint64_t high);
    // A required number; `low` if it is missing or invalid.
    std::uint64_t required_number(const std::string& key, std::uint64_t low, std::uint64_t high);
    std::vector<std::string> texts(const std::string& key);
    std::vector<std::uint64_t> numbers(const std::string& key, std::uint64_t low,
                                       std::uint64_t high);
    // Names and their values; a null value is an empty text.
    std::map<std::string, std::string> text_map(const std::string& key);
    // The mapping below `key`; an empty one if it is absent.
    FieldMap map(const std::string& key);
    FieldMap required_map(const std::string& key);
    // Calls `each` with every entry of the list below `key`, and the entry's path.
    void each(const std::string& key,
              const std::function<void(const Node&, const std::string&)>& each);
    // The same for a list of mappings.
    void each_map(const std::string& key, const std::function<void(FieldMap)>& use);

    std::vector<std::string> keys() const;

    // Reports the first key that was not read.
    void refuse_unknown_keys();
    // Reports a problem of the value of `key` (or of this mapping if it is absent).
    void fail(const std::string& key, const std::string& what);

  private:
    // The value of `key`; nothing if it is absent, or after an error.
    std::optional<Node> take(const std::string& key);
    std::optional<std::string> scalar(const Node& node, const std::string& path);
    std::optional<std::uint64_t> parse_number(const Node& node, const std::string& path,
                                              std::uint64_t low, std::uint64_t high);
    void require(const std::string& key);

    Node node_;
    Reader& reader_;
    std::string path_;
    typename Notation::Fields fields_;
    std::set<std::string> asked_;
};

}  // namespace fsm
