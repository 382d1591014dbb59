#include "interceptor/iptables/command.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace fsm {
namespace {

constexpr std::size_t kOutputLimit = std::size_t{16} << 20;
constexpr std::size_t kErrorLimit = 2000;
// Passed on if it is set: the legacy tools' lock file. By default they use /run, which is read-only
// in the interceptor's container.
constexpr const char* kLockFileVariable = "XTABLES_LOCKFILE";

std::vector<std::string> child_environment() {
    std::vector<std::string> environment = {"PATH=" + program_search_path()};
    // The environment is never changed after the start, so getenv is safe.
    const char* lock_file = std::getenv(kLockFileVariable);  // NOLINT(concurrency-mt-unsafe)
    if (lock_file != nullptr) {
        environment.push_back(std::string(kLockFileVariable) + "=" + lock_file);
    }
    return environment;
}

// In one line, as part of a sentence.
std::string in_one_line(std::string text) {
    text.resize(std::min(text.size(), kErrorLimit));
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

}  // namespace

Result<std::string> run_command(const std::vector<std::string>& arguments, std::string_view input,
                                std::chrono::milliseconds limit) {
    Program program;
    program.command = arguments;
    program.input = input;
    program.environment = child_environment();
    program.time_limit = limit;
    program.output_limit = kOutputLimit;
    FSM_ASSIGN(auto outcome, run_program(program));
    if (outcome.succeeded()) {
        return std::move(outcome.output);
    }
    const std::string errors = in_one_line(std::move(outcome.errors));
    return Error(arguments[0] + ": " + describe_end(program, outcome) +
                 (errors.empty() ? "" : ": " + errors));
}

}  // namespace fsm
