// The commands about nodes of a cluster: check, interceptor, support-bundle.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command_line.h"
#include "cli/settings.h"

namespace fsm::cli {

// Flags of every command, into `settings`.
void add_global_flags(CLI::App& app, Settings& settings);
void add_mesh_name(CLI::App& command, std::string& target);
// A time such as 5m, for `--NAME`.
void add_time(CLI::App& command, const char* name, std::string& target, const char* what);

// A command sets `task` when it is on the command line. Both live as long as the task.
struct CommandSlot {
    std::shared_ptr<Settings> settings;
    std::shared_ptr<Task> task;
};

void add_check(CLI::App& app, const CommandSlot& slot);
// Returns the command: what follows its first word is not fsm's, so no flag of its parents is
// looked for there.
CLI::App* add_interceptor(CLI::App& app, const CommandSlot& slot);
void add_support_bundle(CLI::App& app, const CommandSlot& slot);

}  // namespace fsm::cli
