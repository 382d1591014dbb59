// Runs kubectl as a program, and reads the cluster's objects as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/settings.h"
#include "common/program.h"
#include "common/result.h"

namespace fsm::cli {

class Kubectl {
  public:
    explicit Kubectl(const Settings& settings) : settings_(settings) {}

    // `kubectl get … --output json`.
    Result<nlohmann::json> get(std::vector<std::string> arguments) const;
    // The items of a list.
    Result<std::vector<nlohmann::json>> list(std::vector<std::string> arguments) const;
    // An object that may be missing: null then.
    Result<nlohmann::json> find(const std::string& kind, const std::string& name) const;
    // A merge patch; null removes a key.
    Result<void> patch(const std::string& kind, const std::string& name,
                       const nlohmann::json& patch) const;
    // Runs any other command; returns its output. `input`: on its standard input.
    Result<std::string> run(std::vector<std::string> arguments, std::string_view input = {}) const;

    // The same by parts, for a program with other limits and inputs: what to run, the cluster's
    // flags before a "--"; and why it failed.
    Program program(std::vector<std::string> arguments) const;
    static Result<void> judge(const Program& program, const Result<ProgramOutcome>& outcome);

  private:
    Settings settings_;
};

// The text at a path of an object, such as "metadata/name"; empty if it is missing or not a text.
std::string text_at(const nlohmann::json& object, const std::string& path);
// The number at a path; 0 if it is missing or not a number.
long long number_at(const nlohmann::json& object, const std::string& path);
// Whether there is `true` at a path; the members of a list at a path, none if it is no list.
bool flag_at(const nlohmann::json& object, const std::string& path);
std::vector<nlohmann::json> list_at(const nlohmann::json& object, const std::string& path);
// The value of a label or annotation, whose names may contain slashes; `kind` is "labels" or
// "annotations".
std::string metadata_entry(const nlohmann::json& object, const std::string& kind,
                           const std::string& name);

}  // namespace fsm::cli
