#include "interceptor/command_line.h"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <initializer_list>
#include <iostream>
#include <optional>
#include <utility>
#include <vector>

#include "common/version.h"

namespace fsm {

namespace {

constexpr const char* kDefaultConfigFile = "/etc/fsm/interceptor.yaml";

// The flags as given; absent ones keep the file's setting.
struct Flags {
    std::string config;
    std::optional<std::string> socket;
    std::optional<std::string> state_directory;
    std::optional<std::string> mode;
    std::optional<std::string> verbosity;
    std::optional<std::string> bpffs;
    std::optional<std::string> host_proc;
    std::optional<std::string> host_var_run;
    std::optional<std::string> cni_bin_dir;
    std::optional<std::string> cni_config_dir;
    std::optional<std::string> kubeconfig;
    bool kind = false;
    bool cni_mode = false;
    bool kernel_tracing = false;
    bool end_with_input = false;
};

// Flags of FSM's own interceptor without a meaning here, accepted so that its arguments work: the
// pods and the profile contain the same information.
constexpr std::array kIgnoredFlags = {"--mesh-name", "--fsm-namespace", "--fsm-config-name",
                                      "--fsm-version", "--trust-domain"};

void add_flags(CLI::App& app, Flags& flags) {
    app.add_option("--config", flags.config,
                   std::string("configuration file (YAML); default: ") + kDefaultConfigFile +
                       " if it is there");
    app.add_option("--socket", flags.socket, "the API's Unix socket");
    app.add_option("--state-directory", flags.state_directory,
                   "attachments, deletion notes, instance lock");
    app.add_option("--traffic-interception-mode", flags.mode,
                   "ebpf (default), iptables (the mesh's own rules, for old kernels) or none (pods "
                   "are let through)");
    app.add_option("-v,--verbosity", flags.verbosity,
                   "log level: trace, debug, info, warn, error, off");
    app.add_flag("-d,--kernel-tracing", flags.kernel_tracing,
                 "the programs in the kernel write every decision to the trace pipe");
    app.add_option("--bpffs", flags.bpffs, "the bpffs with the pins");
    app.add_option("--host-proc", flags.host_proc, "the host's /proc");
    app.add_option("--host-var-run", flags.host_var_run,
                   "the host's /var/run; socket and state directory live below it unless they are "
                   "set");
    app.add_option("--kubeconfig", flags.kubeconfig,
                   "pods come from the API server that this file leads to "
                   "(podSource.kubernetes.kubeconfig)");
    app.add_flag("-k,--kind", flags.kind,
                 "pods come from the API server, those of every node "
                 "(podSource.kubernetes.allNodes)");
    app.add_flag("--cni-mode", flags.cni_mode,
                 "install the CNI plugin and its entry in the runtime's chain (cni.install)");
    app.add_option("--cni-bin-dir", flags.cni_bin_dir, "the runtime's plugins (cni.binDir)");
    app.add_option("--cni-config-dir", flags.cni_config_dir,
                   "the runtime's CNI configurations (cni.configDir)");
    app.add_flag("--end-with-input", flags.end_with_input,
                 "end a command when its standard input ends");
}

void add_ignored_flags(CLI::App& app) {
    for (const char* name : kIgnoredFlags) {
        app.add_option(name, "ignored")
            ->expected(1)
            ->group("Accepted as by FSM's interceptor, without effect here");
    }
}

// For the log: "--mesh-name, --trust-domain".
std::string ignored_flags(const CLI::App& app) {
    std::string names;
    for (const char* name : kIgnoredFlags) {
        if (app.count(name) > 0) {
            names += (names.empty() ? "" : ", ") + std::string(name);
        }
    }
    return names;
}

// The flags of the commands that ask a running interceptor, as given.
struct ClientFlags {
    std::string output = "text";
    std::string pod;
    std::string to;
    std::uint16_t port = 0;
    std::string order = "pod";
    std::optional<double> watch;  // seconds
};

void add_output(CLI::App& command, ClientFlags& client, std::vector<std::string> formats) {
    command.add_option("-o,--output", client.output, "form of the output")
        ->check(CLI::IsMember(std::move(formats)))
        ->capture_default_str();
}

void add_connection_flags(CLI::App& command, ClientFlags& client) {
    add_output(command, client, {"text", "wide", "json"});
    command.add_option("--pod", client.pod, "with an end in this pod, NAMESPACE/NAME");
    command.add_option("--to", client.to, "whose destination is this address, or in this range");
    command.add_option("--port", client.port, "whose destination has this port")
        ->check(CLI::Range(1, 65535));
    command.add_option("--sort", client.order, "what comes first")
        ->check(CLI::IsMember({"pod", "destination", "age", "bytes", "unread"}))
        ->capture_default_str();
    command
        .add_option("-w,--watch", client.watch,
                    "print again every so many seconds (2 without a number)")
        ->expected(0, 1)
        ->check(CLI::Range(0.1, 3600.0));
}

void add_log_arguments(CLI::App& command, ClientFlags& client, CommandLine& line) {
    add_output(command, client, {"text", "json"});
    command.add_option("change", line.log_changes,
                       "LEVEL for everything, or MODULE=LEVEL; several are possible");
}

template <typename Value>
Value chosen(const std::string& name,
             std::initializer_list<std::pair<const char*, Value>> choices) {
    const auto* found = std::find_if(choices.begin(), choices.end(),
                                     [&](const auto& choice) { return name == choice.first; });
    return found->second;  // the flag's check admits no other name
}

// Throws CLI::ParseError.
ClientOptions client_options(const ClientFlags& client) {
    ClientOptions options;
    options.output = chosen<OutputFormat>(
        client.output,
        {{"text", OutputFormat::text}, {"wide", OutputFormat::wide}, {"json", OutputFormat::json}});
    options.connections.order =
        chosen<ConnectionOrder>(client.order, {{"pod", ConnectionOrder::pod},
                                               {"destination", ConnectionOrder::destination},
                                               {"age", ConnectionOrder::age},
                                               {"bytes", ConnectionOrder::bytes},
                                               {"unread", ConnectionOrder::unread}});
    if (!client.pod.empty() && std::count(client.pod.begin(), client.pod.end(), '/') != 1) {
        throw CLI::ValidationError("--pod", client.pod + " is not NAMESPACE/NAME");
    }
    options.connections.pod = client.pod;
    if (!client.to.empty()) {
        const auto range = Cidr::parse(client.to);
        if (!range) {
            throw CLI::ValidationError("--to", range.error().message());
        }
        options.connections.to = *range;
    }
    options.connections.port = client.port;
    if (client.watch) {
        options.watch = std::chrono::milliseconds(static_cast<long long>(*client.watch * 1000));
    }
    return options;
}

std::string file_to_read(const Flags& flags) {
    struct stat info {};
    if (flags.config.empty() && stat(kDefaultConfigFile, &info) == 0) {
        return kDefaultConfigFile;
    }
    return flags.config;
}

void apply_pod_source(const Flags& flags, Config& config) {
    if (!flags.kubeconfig && !flags.kind) {
        return;
    }
    if (!config.kubernetes) {
        config.kubernetes.emplace();
    }
    config.kubernetes->kubeconfig = flags.kubeconfig.value_or(config.kubernetes->kubeconfig);
    if (flags.kind) {
        config.kubernetes->all_nodes = true;
        config.kubernetes->node.clear();
    }
}

Result<void> apply(const Flags& flags, Config& config) {
    apply_pod_source(flags, config);
    config.datapath.bpffs = flags.bpffs.value_or(config.datapath.bpffs);
    if (flags.host_proc) {
        config.set_proc(*flags.host_proc);
        // FSM's DaemonSet passes this flag, and none for the bpffs, when it runs in a container.
        config.datapath.mount_bpffs = false;
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
    if (flags.mode) {
        auto mode = parse_interception_mode(*flags.mode);
        if (!mode) {
            return std::move(mode.error()).within("--traffic-interception-mode");
        }
        config.mode = *mode;
    }
    if (flags.verbosity) {
        auto level = parse_log_level(*flags.verbosity);
        if (!level) {
            return std::move(level.error()).within("--verbosity");
        }
        config.log_level = *level;
    }
    config.datapath.kernel_tracing |= flags.kernel_tracing;
    config.cni.enabled |= flags.cni_mode;
    config.cni.bin_dir = flags.cni_bin_dir.value_or(config.cni.bin_dir);
    config.cni.config_dir = flags.cni_config_dir.value_or(config.cni.config_dir);
    return {};
}

// The file is read after the flags that change its defaults, and before those that override it.
// Without a file: "".
Result<Config> build_config(const Flags& flags, const std::string& file) {
    Config config;
    if (flags.host_var_run) {
        config.socket = *flags.host_var_run + "/fsm-cni.sock";
        config.set_state_directory(*flags.host_var_run + "/fsm");
    }
    if (!file.empty()) {
        FSM_TRY(read_config_file(file, config));
    }
    FSM_TRY(apply(flags, config));
    return config;
}

bool reads_configuration(Command command, const Flags& flags) {
    switch (command) {
        case Command::run:
        case Command::uninstall:
        case Command::check_config:
        case Command::node_report:
            return true;
        case Command::status:
        case Command::pods:
        case Command::connections:
        case Command::counters:
        case Command::log:
        case Command::query:
            return !flags.socket;
        case Command::version:
        case Command::healthz:
        case Command::readyz:
            return false;
    }
    return true;
}

// False: the reason was printed on stderr.
bool complete(const Flags& flags, CommandLine& line) {
    line.config_file = reads_configuration(line.command, flags) ? file_to_read(flags) : "";
    line.read_again = [flags, file = line.config_file] { return build_config(flags, file); };
    auto config = line.read_again();
    if (!config) {
        std::cerr << "fsm-interceptor: " << config.error().message() << "\n";
        return false;
    }
    line.config = std::move(*config);
    return true;
}

using AddCommand = std::function<CLI::App*(const char* name, const char* help, Command command)>;

// Those that ask a running interceptor.
void add_asking_commands(const AddCommand& add_command, ClientFlags& client, CommandLine& line) {
    add_output(*add_command("status",
                            "print the state of the running interceptor; exit status 4 if it tells "
                            "of problems",
                            Command::status),
               client, {"text", "json"});
    add_output(
        *add_command("pods", "print the node's pods: which are in the mesh, and why others are not",
                     Command::pods),
        client, {"text", "wide", "json"});
    add_connection_flags(
        *add_command("connections", "print the open connections of the node's pods",
                     Command::connections),
        client);
    add_output(*add_command("counters", "print the counters of the data path", Command::counters),
               client, {"text", "json"});
    add_log_arguments(*add_command("log",
                                   "print the levels of the running interceptor's log, or change "
                                   "them until it ends",
                                   Command::log),
                      client, line);
    add_command("query", "print the answer of the running interceptor to GET PATH", Command::query)
        ->add_option("PATH", line.query, "a route of its API, such as /v1/maps or /metrics")
        ->required();
    add_command(
        "healthz",
        "query on --socket whether the interceptor is alive: exit status 0, or 1 and the reason; "
        "reads no configuration",
        Command::healthz);
    add_command(
        "readyz",
        "query on --socket whether pods can be started: exit status 0, or 1 and the reason; "
        "reads no configuration",
        Command::readyz);
}

void add_commands(CLI::App& app, ClientFlags& client, CommandLine& line) {
    const auto add_command = [&](const char* name, const char* help, Command command) {
        CLI::App* added = app.add_subcommand(name, help);
        added->callback([&line, command] { line.command = command; });
        return added;
    };
    add_command("run", "serve (default)", Command::run);
    add_command("uninstall",
                "remove everything that an interceptor has created: the data path, its pins, "
                "the state directory, the socket. Stop the interceptor first",
                Command::uninstall);
    add_command("check-config", "check the configuration and the profile", Command::check_config);
    add_command("version", "print the version", Command::version);
    add_command("node-report",
                "print facts about the node as JSON: kernel, file systems, programs of others at "
                "our hooks, CNI directories. Needs no running interceptor",
                Command::node_report);
    add_asking_commands(add_command, client, line);
}

}  // namespace

std::variant<CommandLine, Finished> read_command_line(int argc, char** argv) {
    CLI::App app("Intercepts and accelerates the traffic of a service mesh's pods with eBPF.");
    Flags flags;
    add_flags(app, flags);
    add_ignored_flags(app);
    app.set_version_flag("--version", kVersion);
    app.fallthrough();
    app.require_subcommand(0, 1);
    CommandLine line;
    ClientFlags client;
    add_commands(app, client, line);
    try {
        app.parse(argc, argv);
        line.client = client_options(client);
    } catch (const CLI::ParseError& failure) {
        return Finished{app.exit(failure) == 0 ? ExitStatus::ok : ExitStatus::usage};
    }
    if (!complete(flags, line)) {
        return Finished{ExitStatus::failed};
    }
    line.on_input_end = flags.end_with_input ? InputEnd::ends : InputEnd::ignored;
    line.ignored_flags = ignored_flags(app);
    return line;
}

}  // namespace fsm
