// Typed reading of a JSON object's members into variables that hold the defaults.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "common/cni/error.h"

namespace fsm::cni {

// Members that are absent or null leave the variable alone: Go programs print null for empty lists.
// A member of the wrong type is kept as a failure with code 7 that names the member by its path;
// the first failure is the one that is told. The object must outlive the reader.
class MemberReader {
  public:
    explicit MemberReader(const nlohmann::json& object, std::string path = "")
        : object_(object), path_(std::move(path)) {}

    void read(std::string_view key, std::string& target);
    void read(std::string_view key, std::set<std::string, std::less<>>& target);
    // For members that are accepted but not used.
    void expect_string(std::string_view key);
    // The member as a whole, for what has rules of its own; nullptr if it is absent or null.
    const nlohmann::json* find(std::string_view key) const;
    // The object `key`; an empty one if it is absent or of the wrong type.
    const nlohmann::json& object(std::string_view key);
    std::string path_of(std::string_view key) const;

    void fail(Error error);
    const std::optional<Error>& failure() const { return failure_; }

  private:
    void fail_type(const std::string& path, std::string_view wanted, const nlohmann::json& value);

    const nlohmann::json& object_;
    std::string path_;
    std::optional<Error> failure_;
};

Error wrong_type(const std::string& path, std::string_view wanted, const nlohmann::json& value);

}  // namespace fsm::cni
