#include "interceptor/command_line.h"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <optional>
#include <vector>

namespace fsm {

namespace {

constexpr const char* kDefaultConfigFile = "/etc/fsm/interceptor.yaml";

// Flags as given; absent ones leave the file's setting.
struct Flags {
    std::string config;
    std::optional<std::string> socket;
    std::optional<std::string> state_directory;
    std::optional<std::string> verbosity;
    std::optional<std::string> host_proc;
    std::optional<std::string> host_var_run;
    bool kernel_tracing = false;
};

// Flags of FSM's own interceptor that say something about Kubernetes: accepted, so that its chart's
// arguments work; without effect while pods come from a directory.
struct KubernetesFlags {
    std::string mesh_name, fsm_namespace, kubeconfig, fsm_config_name, fsm_version, trust_domain;
    std::string cni_bin_dir, cni_config_dir;
    bool kind = false;
    bool cni_mode = false;
};

void add_flags(CLI::App& app, Flags& flags) {
    app.add_option("--config", flags.config,
                   std::string("configuration file (YAML); default: ") + kDefaultConfigFile +
                       " if it is there");
    app.add_option("--socket", flags.socket, "the API's Unix socket");
    app.add_option("--state-directory", flags.state_directory,
                   "attachments, deletion notes, instance lock");
    app.add_option("-v,--verbosity", flags.verbosity,
                   "log level: trace, debug, info, warn, error, off");
    app.add_flag("-d,--kernel-tracing", flags.kernel_tracing,
                 "the programs in the kernel write every decision to the trace pipe");
    app.add_option("--host-proc", flags.host_proc, "the host's /proc");
    app.add_option("--host-var-run", flags.host_var_run,
                   "the host's /var/run; socket and state directory live below it unless they are "
                   "set");
}

void add_kubernetes_flags(CLI::App& app, KubernetesFlags& flags) {
    const std::string group = "Kubernetes (accepted, without effect with podSource.directory)";
    const std::vector<std::pair<const char*, std::string*>> options = {
        {"--mesh-name", &flags.mesh_name},     {"--fsm-namespace", &flags.fsm_namespace},
        {"--kubeconfig", &flags.kubeconfig},   {"--fsm-config-name", &flags.fsm_config_name},
        {"--fsm-version", &flags.fsm_version}, {"--trust-domain", &flags.trust_domain},
        {"--cni-bin-dir", &flags.cni_bin_dir}, {"--cni-config-dir", &flags.cni_config_dir},
    };
    for (const auto& [name, target] : options) {
        app.add_option(name, *target)->group(group);
    }
    app.add_flag("-k,--kind", flags.kind)->group(group);
    app.add_flag("--cni-mode", flags.cni_mode)->group(group);
}

std::string file_to_read(const Flags& flags) {
    struct stat info {};
    if (flags.config.empty() && stat(kDefaultConfigFile, &info) == 0) {
        return kDefaultConfigFile;
    }
    return flags.config;
}

Result<void> apply(const Flags& flags, Config& config) {
    if (flags.host_proc) {
        config.set_proc(*flags.host_proc);
    }
    if (flags.host_var_run) {
        config.enroller.host_paths.var_run = *flags.host_var_run;
    }
    if (flags.socket) {
        config.socket = *flags.socket;
    }
    if (flags.state_directory) {
        config.set_state_directory(*flags.state_directory);
    }
    if (flags.verbosity) {
        auto level = parse_log_level(*flags.verbosity);
        if (!level) {
            return std::move(level.error()).within("--verbosity");
        }
        config.log_level = *level;
    }
    config.datapath.kernel_tracing |= flags.kernel_tracing;
    return {};
}

// The file is read between the flags that give it defaults and those that override it.
Result<void> build_config(const Flags& flags, CommandLine& line) {
    if (flags.host_var_run) {
        line.config.socket = *flags.host_var_run + "/fsm-cni.sock";
        line.config.set_state_directory(*flags.host_var_run + "/fsm");
    }
    line.config_file = file_to_read(flags);
    if (!line.config_file.empty()) {
        FSM_TRY(read_config_file(line.config_file, line.config));
    }
    return apply(flags, line.config);
}

}  // namespace

std::variant<CommandLine, Finished> read_command_line(int argc, char** argv) {
    CLI::App app("Intercepts and accelerates the traffic of a service mesh's pods with eBPF.");
    Flags flags;
    KubernetesFlags kubernetes;
    add_flags(app, flags);
    add_kubernetes_flags(app, kubernetes);
    app.fallthrough();
    app.require_subcommand(0, 1);
    CommandLine line;
    const auto add_command = [&](const char* name, const char* help, Command command) {
        app.add_subcommand(name, help)->callback([&line, command] { line.command = command; });
    };
    add_command("run", "serve (default)", Command::run);
    add_command("uninstall",
                "remove everything that an interceptor left: the data path, its pins, "
                "the state directory, the socket. Stop the interceptor first",
                Command::uninstall);
    add_command("check-config", "read the configuration and the profile, and say what is wrong",
                Command::check_config);
    add_command("version", "print the version", Command::version);
    add_command("status", "print the state of the running interceptor", Command::status);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& failure) {
        return Finished{app.exit(failure)};
    }
    if (line.command == Command::version) {
        return line;
    }
    if (auto built = build_config(flags, line); !built) {
        std::cerr << "fsm-interceptor: " << built.error().message() << "\n";
        return Finished{1};
    }
    return line;
}

}  // namespace fsm
