// JsonMap: a JSON object with the accessors that interceptor/pod/pod_reader.h wants. JSON from the
// Kubernetes API is typed: a number is no text.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"

namespace fsm {

// Keeps the first thing that is wrong; after it, accessors answer with defaults. Nothing throws.
class JsonReader {
  public:
    void fail(const std::string& path, const std::string& what);
    const std::optional<Error>& error() const { return error_; }

  private:
    std::optional<Error> error_;
};

// Refers to the JSON and the reader. A member that is null counts as absent.
class JsonMap {
  public:
    // `path` is the key of the object itself; empty at the top.
    JsonMap(const nlohmann::json& node, JsonReader& reader, std::string path);

    bool has(const std::string& key) const { return find(key) != nullptr; }
    std::string required_text(const std::string& key);
    std::string text(const std::string& key);
    std::optional<std::string> optional_text(const std::string& key);
    bool boolean(const std::string& key, bool when_absent);
    std::optional<std::uint64_t> number(const std::string& key, std::uint64_t low,
                                        std::uint64_t high);
    std::vector<std::string> texts(const std::string& key);
    std::map<std::string, std::string> text_map(const std::string& key);
    JsonMap map(const std::string& key);
    JsonMap required_map(const std::string& key);
    void each_map(const std::string& key, const std::function<void(JsonMap)>& use);
    void fail(const std::string& key, const std::string& what);

  private:
    const nlohmann::json* find(const std::string& key) const;
    std::string path_of(const std::string& key) const;

    const nlohmann::json& node_;
    JsonReader& reader_;
    const std::string path_;
};

}  // namespace fsm
