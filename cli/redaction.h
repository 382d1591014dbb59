// Takes secrets, and on request names, out of what leaves the user's cluster.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace fsm::cli {

inline constexpr const char* kRedacted = "(redacted)";

// Whether a key, a variable or a flag of that name holds a secret.
bool is_secret_name(std::string_view name);

// Text of any kind, such as a log: values of names as above, bearer tokens, JSON web tokens,
// private keys, passwords in URLs.
std::string redact_text(std::string_view text);

// An object of the cluster, too: variables of containers whose name or value looks like a secret,
// flags; without managed fields and the last applied configuration, which repeats everything.
void redact_json(nlohmann::json& value);

// Replaces names by numbers, the same name by the same number.
class Pseudonyms {
  public:
    void add(const std::string& kind, const std::string& name);
    // Whole words only: a name inside of another one stays.
    std::string replace(std::string_view text) const;

  private:
    std::map<std::string, std::string, std::less<>> by_name_;
    std::map<std::string, int> count_;  // by kind
};

}  // namespace fsm::cli
