// kubectl, called as a program: the cluster's objects, as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/settings.h"
#include "common/result.h"

namespace fsm::cli {

class Kubectl {
  public:
    explicit Kubectl(const Settings& settings) : settings_(settings) {}

    // `kubectl get … --output json`.
    Result<nlohmann::json> get(std::vector<std::string> arguments) const;
    // The items of a list.
    Result<std::vector<nlohmann::json>> list(std::vector<std::string> arguments) const;
    // An object that may not be there: null then.
    Result<nlohmann::json> find(const std::string& kind, const std::string& name) const;
    // A merge patch; null removes a key.
    Result<void> patch(const std::string& kind, const std::string& name,
                       const nlohmann::json& patch) const;
    // Any other command; answers what it printed.
    Result<std::string> run(std::vector<std::string> arguments) const;

  private:
    Settings settings_;
};

// The text at a path of an object, "metadata/name"; empty when it is not there or no text.
std::string text_at(const nlohmann::json& object, const std::string& path);
// The number at a path; 0 when it is not there or no number.
long long number_at(const nlohmann::json& object, const std::string& path);
// A label or annotation: `kind` is "labels" or "annotations". Names of those have slashes.
std::string metadata_entry(const nlohmann::json& object, const std::string& kind,
                           const std::string& name);

}  // namespace fsm::cli
