// helm, called as a program.
#pragma once

#include <string>
#include <vector>

#include "cli/settings.h"
#include "common/result.h"

namespace fsm::cli {

// What the user says about the chart's values, in helm's own words: files first, then --set.
struct ChartValues {
    std::vector<std::string> files;
    std::vector<std::string> assignments;
};

class Helm {
  public:
    // Asks the program that the settings name for its version. Not there, not helm, or older than
    // 3.14 (the first with --reset-then-reuse-values): an error that says where to get one.
    static Result<Helm> find(const Settings& settings);

    // The manifests of a release, without asking a cluster.
    Result<std::string> render(const std::string& release, const std::string& chart,
                               const ChartValues& values) const;
    Result<void> install(const std::string& release, const std::string& chart,
                         const ChartValues& values) const;
    // Values that were given before hold, unless they are given anew.
    Result<void> upgrade(const std::string& release, const std::string& chart,
                         const ChartValues& values) const;
    // Back to the revision before the newest one.
    Result<void> roll_back(const std::string& release) const;
    Result<void> uninstall(const std::string& release) const;
    // In any state, the failed ones too.
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
