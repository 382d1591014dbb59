// Runs helm as a program.
#pragma once

#include <string>
#include <vector>

#include "cli/settings.h"
#include "common/result.h"

namespace fsm::cli {

// The user's values for the chart, as helm's flags: files first, then --set.
struct ChartValues {
    std::vector<std::string> files;
    std::vector<std::string> assignments;
};

class Helm {
  public:
    // Checks the version of the configured program. If it does not exist, is not helm, or is older
    // than 3.14 (the first with --reset-then-reuse-values), the error says where to get helm.
    static Result<Helm> find(const Settings& settings);

    // Renders the manifests of a release without contacting a cluster.
    Result<std::string> render(const std::string& release, const std::string& chart,
                               const ChartValues& values) const;
    Result<void> install(const std::string& release, const std::string& chart,
                         const ChartValues& values) const;
    // Values of the previous revision are kept unless they are set again.
    Result<void> upgrade(const std::string& release, const std::string& chart,
                         const ChartValues& values) const;
    // Rolls back to the previous revision.
    Result<void> roll_back(const std::string& release) const;
    Result<void> uninstall(const std::string& release) const;
    // Lists releases in any state, including failed ones.
    // JSON: the values of the installed release, defaults included; its revisions.
    Result<std::string> values(const std::string& release) const;
    Result<std::string> history(const std::string& release) const;
    Result<bool> has_release(const std::string& release) const;

  private:
    explicit Helm(const Settings& settings) : settings_(settings) {}

    Result<std::string> run(std::vector<std::string> arguments) const;
    Result<std::string> run_with_chart(const std::string& verb, const std::string& release,
                                       const std::string& chart, const ChartValues& values,
                                       const std::vector<std::string>& options) const;

    Settings settings_;
};

}  // namespace fsm::cli
