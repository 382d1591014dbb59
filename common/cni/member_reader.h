// Reads the members of a JSON object, with type checks, into variables that hold the defaults.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "common/cni/error.h"

namespace fsm::cni {

// A member that is absent or null leaves its variable unchanged, because Go programs write null for
// empty lists. A member of the wrong type is recorded as a failure with code 7 that names the
// member's path; only the first failure is returned. The object must outlive the reader.
class MemberReader {
  public:
    explicit MemberReader(const nlohmann::json& object, std::string path = "")
        : object_(object), path_(std::move(path)) {}

    void read(std::string_view key, std::string& target);
    void read(std::string_view key, std::set<std::string, std::less<>>& target);
    // Checks the type of a member whose value is not used.
    void expect_string(std::string_view key);
    // The member as JSON, for callers with their own rules; nullptr if it is absent or null.
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
