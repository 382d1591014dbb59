#include "cli/node_commands.h"

#include <memory>
#include <string>

#include "cli/check_command.h"
#include "cli/duration.h"
#include "cli/interceptor_command.h"
#include "cli/support_bundle.h"

namespace fsm::cli {

namespace {

// As the user has typed them.
struct CheckFlags {
    bool before = false;
    bool wait = false;
    std::string mode;
    std::string profile;
    std::string output = "text";
    std::string timeout = "5m";
};

Result<void> run_check(const CheckFlags& flags, const Settings& settings) {
    CheckOptions options;
    options.settings = settings;
    options.stage = flags.before ? Stage::before_installation : Stage::as_found;
    options.mode = flags.mode;
    options.profile = flags.profile;
    options.format = flags.output == "json" ? ReportFormat::json : ReportFormat::text;
    if (flags.wait) {
        FSM_ASSIGN(options.wait, parse_duration(flags.timeout));
    }
    return check_cluster(options);
}

}  // namespace

void add_check(CLI::App& app, const CommandSlot& slot) {
    auto flags = std::make_shared<CheckFlags>();
    auto* command = app.add_subcommand(
        "check", "check whether the mesh can be installed, or works: by what is there");
    add_mesh_name(*command, slot.settings->mesh_name);
    command->add_flag("--pre", flags->before, "check before an installation, also beside a mesh");
    command
        ->add_option("--traffic-interception-mode", flags->mode,
                     "of the installation to come; default: ebpf")
        ->check(CLI::IsMember({"ebpf", "iptables", "none"}));
    command->add_option("--profile", flags->profile, "likewise; default: fsm");
    command->add_option("-o,--output", flags->output, "text or json")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
    command->add_flag("--wait", flags->wait, "check again until there is no error");
    add_time(*command, "--timeout", flags->timeout, "how long --wait waits");
    command->callback([flags, slot] {
        *slot.task = [flags, slot] { return run_check(*flags, *slot.settings); };
    });
}

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
    command->add_option("--at-once", options->at_once, "how many nodes are asked at the same time")
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

void add_support_bundle(CLI::App& app, const CommandSlot& slot) {
    struct Flags {
        BundleOptions options;
        bool redact_names = false;
    };
    auto flags = std::make_shared<Flags>();
    auto* command = app.add_subcommand(
        "support-bundle", "collect in one file what a maintainer needs, without secrets");
    add_mesh_name(*command, slot.settings->mesh_name);
    command->add_option("-o,--output", flags->options.output,
                        "the file; default: fsm-support-TIME.tar.gz here");
    command->add_flag("--redact-names", flags->redact_names,
                      "replace the names of nodes, and of the mesh's pods and their namespaces");
    command
        ->add_option("--at-once", flags->options.at_once,
                     "how many nodes are asked at the same time")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    command->callback([flags, slot] {
        *slot.task = [flags, slot]() -> Result<void> {
            flags->options.settings = *slot.settings;
            flags->options.names = flags->redact_names ? Names::replaced : Names::kept;
            return write_support_bundle(flags->options);
        };
    });
}

}  // namespace fsm::cli
