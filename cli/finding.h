// What `fsm check` finds: one line each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fsm::cli {

enum class Grade : std::uint8_t { ok, warning, error };

const char* to_string(Grade grade);

struct Finding {
    std::string group;  // "cluster", "nodes", "neighbours", "interceptor"
    std::string check;  // a name that stays the same, for scripts
    Grade grade = Grade::ok;
    std::string message;
    std::string remedy;  // empty: there is nothing to do
    std::string node;    // empty: it is about the cluster
};

// The findings of one group. Threads: one at a time.
class Findings {
  public:
    explicit Findings(std::string group) : group_(std::move(group)) {}

    void ok(std::string check, std::string message, std::string node = "");
    void warning(std::string check, std::string message, std::string remedy, std::string node = "");
    void error(std::string check, std::string message, std::string remedy, std::string node = "");

    std::vector<Finding> take() { return std::move(all_); }

  private:
    std::string group_;
    std::vector<Finding> all_;
};

std::size_t count(const std::vector<Finding>& findings, Grade grade);

// For people: grouped, each remedy below its finding.
std::string to_text(const std::vector<Finding>& findings);
// {"result": "ok"|"warning"|"error", "checks": [{group, check, result, message, remedy, node}]}
std::string to_json(const std::vector<Finding>& findings);

}  // namespace fsm::cli
