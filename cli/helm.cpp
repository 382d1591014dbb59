#include "cli/helm.h"

#include <array>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/program.h"

namespace fsm::cli {

namespace {

constexpr std::chrono::seconds kVersionLimit{30};
constexpr std::pair<int, int> kLeastVersion{3, 14};
constexpr const char* kWhereFrom =
    "install helm 3.14 or newer (https://helm.sh/docs/intro/install), or say where it is: "
    "HELM=/path/to/helm";

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

// "v3.19.0", "v4.1.4+g05fa379".
Result<std::pair<int, int>> parse_version(const std::string& text) {
    std::pair<int, int> version;
    // NOLINTNEXTLINE(cert-err34-c): what does not fit is refused below
    if (std::sscanf(text.c_str(), "v%3d.%3d.", &version.first, &version.second) != 2) {
        return Error("it is not helm, or an unknown version of helm: its version is \"" +
                     first_line(text) + "\"");
    }
    return version;
}

// Removes the prefix from helm's error messages.
std::string error_message(const ProgramOutcome& outcome) {
    std::string text = outcome.errors.empty() ? outcome.output : outcome.errors;
    constexpr std::string_view kPrefix = "Error: ";
    if (const auto at = text.find(kPrefix);
        at == 0 || (at != std::string::npos && at > 0 && text[at - 1] == '\n')) {
        text.erase(0, at + kPrefix.size());
    }
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    return text;
}

}  // namespace

Result<Helm> Helm::find(const Settings& settings) {
    Program program;
    program.command = {settings.helm, "version", "--template", "{{.Version}}"};
    program.time_limit = kVersionLimit;
    const std::string context = "look for helm (" + settings.helm + ")";
    const auto outcome = run_program(program);
    if (!outcome) {
        return Error(context + ": " + outcome.error().message() + "; " + kWhereFrom);
    }
    if (!outcome->succeeded()) {
        return Error(context + ": `" + describe_command(program.command) +
                     "`: " + describe_failure(program, *outcome, error_message(*outcome)) + "; " +
                     kWhereFrom);
    }
    const auto version = parse_version(outcome->output);
    if (!version) {
        return Error(context + ": " + version.error().message() + "; " + kWhereFrom);
    }
    if (*version < kLeastVersion) {
        return Error(context + ": it is " + first_line(outcome->output) + ", which is too old; " +
                     kWhereFrom);
    }
    return Helm(settings);
}

Result<std::string> Helm::run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), settings_.helm);
    arguments.insert(arguments.end(), {"--namespace", settings_.fsm_namespace});
    if (!settings_.kubeconfig.empty()) {
        arguments.insert(arguments.end(), {"--kubeconfig", settings_.kubeconfig});
    }
    if (!settings_.kube_context.empty()) {
        arguments.insert(arguments.end(), {"--kube-context", settings_.kube_context});
    }
    if (settings_.verbose) {
        std::cerr << "+ " << describe_command(arguments) << "\n";
    }
    Program program;
    program.command = std::move(arguments);
    FSM_ASSIGN(auto outcome, run_program(program));
    if (!outcome.succeeded()) {
        return Error("helm " + program.command[1] + ": " +
                     describe_failure(program, outcome, error_message(outcome)));
    }
    if (settings_.verbose) {
        std::cerr << outcome.errors;
    }
    return std::move(outcome.output);
}

Result<std::string> Helm::run_with_chart(const std::string& verb, const std::string& release,
                                         const std::string& chart, const ChartValues& values,
                                         const std::vector<std::string>& options) const {
    std::vector<std::string> arguments = {verb, release, chart};
    for (const auto& file : values.files) {
        arguments.insert(arguments.end(), {"--values", file});
    }
    for (const auto& assignment : values.assignments) {
        arguments.insert(arguments.end(), {"--set", assignment});
    }
    arguments.insert(arguments.end(), options.begin(), options.end());
    return run(std::move(arguments));
}

Result<std::string> Helm::render(const std::string& release, const std::string& chart,
                                 const ChartValues& values) const {
    return run_with_chart("template", release, chart, values, {"--skip-tests"});
}

Result<void> Helm::install(const std::string& release, const std::string& chart,
                           const ChartValues& values) const {
    FSM_TRY(run_with_chart("install", release, chart, values, {}));
    return {};
}

Result<void> Helm::upgrade(const std::string& release, const std::string& chart,
                           const ChartValues& values) const {
    FSM_TRY(run_with_chart("upgrade", release, chart, values, {"--reset-then-reuse-values"}));
    return {};
}

Result<void> Helm::roll_back(const std::string& release) const {
    FSM_TRY(run({"rollback", release}));
    return {};
}

Result<void> Helm::uninstall(const std::string& release) const {
    FSM_TRY(run({"uninstall", release}));
    return {};
}

Result<std::string> Helm::values(const std::string& release) const {
    return run({"get", "values", release, "--all", "--output", "json"});
}

Result<std::string> Helm::history(const std::string& release) const {
    return run({"history", release, "--output", "json"});
}

Result<bool> Helm::has_release(const std::string& release) const {
    FSM_ASSIGN(const auto text,
               run({"list", "--deployed", "--failed", "--pending", "--uninstalling", "--filter",
                    "^" + release + "$", "--output", "json"}));
    const auto releases = nlohmann::json::parse(text, nullptr, false);
    if (!releases.is_array()) {
        return Error("helm list: its answer is no JSON list: " + first_line(text));
    }
    return !releases.empty();
}

}  // namespace fsm::cli
