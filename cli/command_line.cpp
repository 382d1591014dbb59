#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/duration.h"
#include "cli/install_command.h"
#include "cli/mesh_commands.h"
#include "cli/namespace_commands.h"
#include "cli/node_commands.h"
#include "cli/settings.h"
#include "cli/uninstall_command.h"

namespace fsm::cli {

namespace {

// The parsed flags of all commands; the task of a command reads them afterwards.
struct Flags {
    Settings settings;
    InstallOptions install;
    UninstallOptions uninstall;
    std::string timeout = "5m";
    bool atomic = false;
    bool dry_run = false;
    bool disable_injection = false;
    bool only_program = false;
    std::string list_mesh;
    std::vector<std::string> namespaces;
    Task task;
};

using FlagsPointer = std::shared_ptr<Flags>;

// Commands run for their effect: a task is created after all flags are parsed.
template <typename Action>
void on_command(CLI::App& command, const FlagsPointer& flags, const Action& action) {
    command.callback([flags, action] {
        flags->task = [flags, action]() -> Result<void> {
            FSM_ASSIGN(const auto timeout, parse_duration(flags->timeout));
            flags->install.settings = flags->uninstall.settings = flags->settings;
            flags->install.timeout = flags->uninstall.timeout = timeout;
            flags->install.on_failure = flags->atomic ? OnFailure::undo : OnFailure::keep;
            return action(*flags);
        };
    });
}

void add_chart_flags(CLI::App& command, Flags& flags) {
    add_mesh_name(command, flags.settings.mesh_name);
    command.add_option("--fsm-chart-path", flags.install.chart_path,
                       "path of a chart; default: the built-in chart");
    command
        .add_option("--set", flags.install.values.assignments,
                    "a value of the chart, key=value; may be repeated, overrides --values")
        ->allow_extra_args(false);
    command
        .add_option("-f,--values", flags.install.values.files,
                    "a file with values of the chart; may be repeated")
        ->allow_extra_args(false);
    command.add_flag("--atomic", flags.atomic,
                     "undo the change if the interceptors do not become ready");
    add_time(command, "--timeout", flags.timeout, "how long to wait for the interceptors");
}

void add_install(CLI::App& app, const FlagsPointer& flags) {
    auto* command = app.add_subcommand("install", "install the mesh's interceptor on every node");
    add_chart_flags(*command, *flags);
    command->add_flag("--enforce-single-mesh", flags->install.enforce_single_mesh,
                      "refuse a second mesh in the cluster (default: true)");
    command->add_flag("--dry-run", flags->dry_run,
                      "print the manifests without changing the cluster");
    on_command(*command, flags, [](const Flags& given) {
        return given.dry_run ? print_manifests(given.install) : install(given.install);
    });
}

void add_uninstall(CLI::App& app, const FlagsPointer& flags) {
    auto* group = app.add_subcommand("uninstall", "remove what `fsm install` created");
    group->require_subcommand(1);
    auto* command =
        group->add_subcommand("mesh", "remove a mesh from the cluster and from every node");
    add_mesh_name(*command, flags->settings.mesh_name);
    command->add_flag("-f,--force", flags->uninstall.force,
                      "do not ask; succeed if the mesh does not exist");
    command->add_flag("-a,--delete-cluster-wide-resources", flags->uninstall.cluster_wide_resources,
                      "also remove cluster roles and bindings left by a lost release");
    command->add_flag("--delete-namespace", flags->uninstall.delete_namespace,
                      "also remove the mesh's namespace");
    add_time(*command, "--timeout", flags->timeout,
             "how long to wait for the interceptors to stop");
    on_command(*command, flags, [](const Flags& given) { return uninstall_mesh(given.uninstall); });
}

void add_mesh(CLI::App& app, const FlagsPointer& flags) {
    auto* group = app.add_subcommand("mesh", "the meshes of the cluster");
    group->require_subcommand(1);
    on_command(*group->add_subcommand("list", "list the meshes"), flags,
               [](const Flags& given) { return list_meshes(given.settings); });
    auto* command = group->add_subcommand(
        "upgrade", "upgrade a mesh to this program's version, or change its values");
    add_chart_flags(*command, *flags);
    on_command(*command, flags, [](const Flags& given) { return upgrade(given.install); });
}

void add_namespace(CLI::App& app, const FlagsPointer& flags) {
    auto* group = app.add_subcommand("namespace", "the namespaces that a mesh watches");
    group->alias("ns");
    group->require_subcommand(1);

    auto* add = group->add_subcommand("add", "add namespaces to a mesh");
    add_mesh_name(*add, flags->settings.mesh_name);
    add->add_flag("--disable-sidecar-injection", flags->disable_injection,
                  "disable sidecar injection there");
    add->add_option("NAMESPACE", flags->namespaces)->required();
    on_command(*add, flags, [](const Flags& given) {
        return add_namespaces(
            given.settings, given.namespaces,
            given.disable_injection ? SidecarInjection::disabled : SidecarInjection::enabled);
    });

    auto* remove = group->add_subcommand("remove", "take a namespace out of a mesh");
    add_mesh_name(*remove, flags->settings.mesh_name);
    remove->add_option("NAMESPACE", flags->namespaces)->required()->expected(1);
    on_command(*remove, flags, [](const Flags& given) {
        return remove_namespace(given.settings, given.namespaces.front());
    });

    auto* ignore = group->add_subcommand("ignore", "exclude namespaces from every mesh");
    add_mesh_name(*ignore, flags->settings.mesh_name);
    ignore->add_option("NAMESPACE", flags->namespaces)->required();
    on_command(*ignore, flags, [](const Flags& given) {
        return ignore_namespaces(given.settings, given.namespaces);
    });

    auto* list = group->add_subcommand("list", "list the namespaces of the meshes");
    list->add_option("--mesh-name", flags->list_mesh, "list this mesh only");
    on_command(*list, flags,
               [](const Flags& given) { return list_namespaces(given.settings, given.list_mesh); });
}

void add_information(CLI::App& app, const FlagsPointer& flags) {
    auto* version = app.add_subcommand("version", "the versions of this program and of the meshes");
    version->add_flag("--cli-only", flags->only_program, "do not contact a cluster");
    on_command(*version, flags, [](const Flags& given) {
        return print_version(
            given.settings, given.only_program ? VersionScope::program : VersionScope::cluster_too);
    });
    on_command(*app.add_subcommand("env", "print the effective settings as environment variables"),
               flags, [](const Flags& given) { return print_environment(given.settings); });
}

}  // namespace

void add_global_flags(CLI::App& app, Settings& settings) {
    app.add_option("--fsm-namespace", settings.fsm_namespace, "namespace of the mesh")
        ->capture_default_str();
    app.add_option("--kubeconfig", settings.kubeconfig, "as for kubectl; default: $KUBECONFIG");
    app.add_option("--kube-context", settings.kube_context, "a context of the kubeconfig");
    app.add_flag("--verbose", settings.verbose, "print the programs that fsm runs");
}

void add_mesh_name(CLI::App& command, std::string& target) {
    command.add_option("--mesh-name", target, "name of the mesh")->capture_default_str();
}

void add_time(CLI::App& command, const char* name, std::string& target, const char* what) {
    command.add_option(name, target, what)
        ->check([](const std::string& text) {
            const auto time = parse_duration(text);
            return time ? std::string() : time.error().message();
        })
        ->capture_default_str();
}

std::variant<Task, Finished> read_command_line(int argc, char** argv) {
    auto settings = read_settings();
    if (!settings) {
        std::cerr << "fsm: read the settings: " << settings.error().message() << "\n";
        return Finished{1};
    }
    auto flags = std::make_shared<Flags>();
    flags->settings = std::move(*settings);
    CLI::App app("Installs and manages a mesh whose traffic is intercepted with eBPF.", "fsm");
    app.fallthrough();
    app.require_subcommand(1);
    add_global_flags(app, flags->settings);
    add_install(app, flags);
    add_uninstall(app, flags);
    add_mesh(app, flags);
    add_namespace(app, flags);
    add_information(app, flags);
    const CommandSlot slot{std::shared_ptr<Settings>(flags, &flags->settings),
                           std::shared_ptr<Task>(flags, &flags->task)};
    add_check(app, slot);
    auto* interceptor = add_interceptor(app, slot);
    add_support_bundle(app, slot);
    // Global flags are accepted in any position.
    for (auto* command : app.get_subcommands({})) {
        command->fallthrough();
        for (auto* inner : command->get_subcommands({})) {
            inner->fallthrough();
        }
    }
    interceptor->fallthrough(false);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& failure) {
        return Finished{app.exit(failure)};
    }
    return std::move(flags->task);
}

}  // namespace fsm::cli
