#include "cli/node_commands.h"

#include <memory>

#include "cli/interceptor_command.h"

namespace fsm::cli {

CLI::App* add_interceptor(CLI::App& app, const CommandSlot& slot) {
    auto options = std::make_shared<InterceptorOptions>();
    auto* command = app.add_subcommand(
        "interceptor", "run a command of fsm-interceptor on every node, and merge the answers");
    command->prefix_command();
    command->footer(
        "COMMAND is one of fsm-interceptor's that asks a running interceptor: status, pods, "
        "counters, … Its own flags follow it.");
    add_global_flags(*command, *slot.settings);
    add_mesh_name(*command, slot.settings->mesh_name);
    command->add_option("--node", options->nodes, "only on this node; may be repeated")
        ->allow_extra_args(false);
    command
        ->add_option("--at-once", options->at_once, "how many nodes are asked at the same time")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    command->callback([command, options, slot] {
        options->words = command->remaining();
        *slot.task = [options, slot]() -> Result<void> {
            options->settings = *slot.settings;
            return run_on_nodes(*options);
        };
    });
    return command;
}

}  // namespace fsm::cli
