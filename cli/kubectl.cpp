#include "cli/kubectl.h"

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <sstream>
#include <string_view>
#include <utility>

namespace fsm::cli {

namespace {

constexpr const char* kRequestTimeout = "--request-timeout=30s";

// Matches a log line of kubectl's library ("E1121 11:48:21.071 …"), which prints several.
bool is_log_line(std::string_view line) {
    constexpr std::size_t kPrefix = 5;
    return line.size() > kPrefix && std::string_view("EIWF").find(line[0]) != line.npos &&
           std::all_of(line.begin() + 1, line.begin() + kPrefix,
                       [](char letter) { return letter >= '0' && letter <= '9'; });
}

// kubectl's output without its log lines, unless there is nothing else.
std::string error_message(const std::string& errors) {
    std::string words;
    std::istringstream lines(errors);
    for (std::string line; std::getline(lines, line);) {
        words += is_log_line(line) ? "" : (words.empty() ? "" : "\n") + line;
    }
    return words.empty() ? errors : words;
}

const nlohmann::json* value_at(const nlohmann::json& object, const std::string& path) {
    const nlohmann::json::json_pointer pointer("/" + path);
    return object.contains(pointer) ? &object.at(pointer) : nullptr;
}

}  // namespace

Program Kubectl::program(std::vector<std::string> arguments) const {
    std::vector<std::string> cluster;
    if (!settings_.kubeconfig.empty()) {
        cluster.insert(cluster.end(), {"--kubeconfig", settings_.kubeconfig});
    }
    if (!settings_.kube_context.empty()) {
        cluster.insert(cluster.end(), {"--context", settings_.kube_context});
    }
    arguments.insert(std::find(arguments.begin(), arguments.end(), "--"), cluster.begin(),
                     cluster.end());
    arguments.insert(arguments.begin(), settings_.kubectl);
    Program program;
    program.command = std::move(arguments);
    if (settings_.verbose) {
        std::cerr << "+ " + describe_command(program.command) + "\n";
    }
    return program;
}

Result<void> Kubectl::judge(const Program& program, const Result<ProgramOutcome>& outcome) {
    if (!outcome) {
        const bool missing = outcome.error().errno_value() == ENOENT;
        return Error("ask the cluster with kubectl: " + outcome.error().message() +
                     (missing ? "; install it (https://kubernetes.io/docs/tasks/tools), or say "
                                "where it is: KUBECTL=/path/to/kubectl"
                              : ""));
    }
    if (!outcome->succeeded()) {
        return Error("kubectl " + program.command[1] + ": " +
                     describe_failure(program, *outcome, error_message(outcome->errors)));
    }
    return {};
}

Result<std::string> Kubectl::run(std::vector<std::string> arguments, std::string_view input) const {
    Program program = this->program(std::move(arguments));
    program.input = input;
    auto outcome = run_program(program);
    FSM_TRY(judge(program, outcome));
    return std::move(outcome->output);
}

Result<nlohmann::json> Kubectl::get(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "get");
    arguments.insert(arguments.end(), {"--output", "json", kRequestTimeout});
    FSM_ASSIGN(const auto text, run(arguments));
    if (text.empty()) {  // --ignore-not-found
        return nlohmann::json();
    }
    auto answer = nlohmann::json::parse(text, nullptr, false);
    if (!answer.is_object()) {
        return Error("kubectl get " + arguments[1] +
                     ": its answer is no JSON object: " + text.substr(0, text.find('\n')));
    }
    return answer;
}

Result<std::vector<nlohmann::json>> Kubectl::list(std::vector<std::string> arguments) const {
    FSM_ASSIGN(const auto answer, get(std::move(arguments)));
    const auto items = answer.find("items");
    if (items == answer.end() || !items->is_array()) {
        return Error("kubectl get: its answer is no list");
    }
    return std::vector<nlohmann::json>(items->begin(), items->end());
}

Result<nlohmann::json> Kubectl::find(const std::string& kind, const std::string& name) const {
    return get({kind, name, "--ignore-not-found"});
}

Result<void> Kubectl::patch(const std::string& kind, const std::string& name,
                            const nlohmann::json& patch) const {
    FSM_TRY(
        run({"patch", kind, name, "--type", "merge", "--patch", patch.dump(), kRequestTimeout}));
    return {};
}

std::string text_at(const nlohmann::json& object, const std::string& path) {
    const auto* value = value_at(object, path);
    return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

long long number_at(const nlohmann::json& object, const std::string& path) {
    const auto* value = value_at(object, path);
    return value != nullptr && value->is_number_integer() ? value->get<long long>() : 0;
}

bool flag_at(const nlohmann::json& object, const std::string& path) {
    const auto* value = value_at(object, path);
    return value != nullptr && value->is_boolean() && value->get<bool>();
}

std::vector<nlohmann::json> list_at(const nlohmann::json& object, const std::string& path) {
    const auto* value = value_at(object, path);
    return value != nullptr && value->is_array()
               ? std::vector<nlohmann::json>(value->begin(), value->end())
               : std::vector<nlohmann::json>();
}

std::string metadata_entry(const nlohmann::json& object, const std::string& kind,
                           const std::string& name) {
    const auto* entries = value_at(object, "metadata/" + kind);
    if (entries == nullptr || !entries->is_object()) {
        return "";
    }
    const auto entry = entries->find(name);
    return entry != entries->end() && entry->is_string() ? entry->get<std::string>() : "";
}

}  // namespace fsm::cli
