// Reads YAML from users: bounded, and with errors that name file, line and key. For this folder,
// and for the interceptor's own configuration.
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

// One mapping. Entries whose value is null count as absent.
class YamlMap {
  public:
    // `path` is the key of the mapping itself, "spec.containers[0]"; empty at the top.
    YamlMap(const YAML::Node& node, YamlReader& reader, std::string path);

    bool has(const std::string& key) const { return entries_.count(key) != 0; }
    // The path of a key below this mapping, for errors.
    std::string path_of(const std::string& key) const;

    std::string required_text(const std::string& key);
    std::string text(const std::string& key);
    std::optional<std::string> optional_text(const std::string& key);
    bool boolean(const std::string& key, bool when_absent);
    std::optional<std::uint64_t> number(const std::string& key, std::uint64_t low,
                                        std::uint64_t high);
    // A number that must be there; `low` when it is not, or wrong.
    std::uint64_t required_number(const std::string& key, std::uint64_t low, std::uint64_t high);
    std::vector<std::string> texts(const std::string& key);
    std::vector<std::uint64_t> numbers(const std::string& key, std::uint64_t low,
                                       std::uint64_t high);
    // Names and their values; a null value is an empty text.
    std::map<std::string, std::string> text_map(const std::string& key);
    // The mapping below `key`; an empty one when it is absent.
    YamlMap map(const std::string& key);
    YamlMap required_map(const std::string& key);
    // Calls `each` with every entry of the sequence below `key`, and the entry's path.
    void each(const std::string& key,
              const std::function<void(const YAML::Node&, const std::string&)>& each);
    // The same for a sequence of mappings.
    void each_map(const std::string& key, const std::function<void(YamlMap)>& use);
    const std::map<std::string, YAML::Node>& entries() const { return entries_; }

    // Reports the first key that nothing has asked for.
    void refuse_unknown_keys();
    // Reports something about the value of `key` (or about this mapping when it is absent).
    void fail(const std::string& key, const std::string& what);

  private:
    std::optional<YAML::Node> take(const std::string& key);
    std::optional<std::string> scalar(const YAML::Node& node, const std::string& path);
    std::optional<std::uint64_t> parse_number(const YAML::Node& node, const std::string& path,
                                              std::uint64_t low, std::uint64_t high);
    void require(const std::string& key);

    YAML::Node node_;
    YamlReader& reader_;
    std::string path_;
    std::map<std::string, YAML::Node> entries_;
    std::map<std::string, bool> asked_;
};

}  // namespace fsm
