#include "interceptor/config.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "common/document/yaml_reader.h"
#include "common/file.h"

namespace fsm {

namespace {

constexpr std::size_t kConfigLimit = std::size_t{1} << 20;
constexpr std::uint64_t kMaxMapEntries = 1U << 24;
constexpr std::uint64_t kLeastUnread = 4096;
constexpr std::uint64_t kMostUnread = 1U << 30;
constexpr std::uint64_t kLastPort = 65535;
constexpr std::size_t kLongestPinName = 64;
constexpr const char* kLabelKeyCharacters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./";
constexpr std::chrono::milliseconds kLongestLookup{60000};

// "5s", "500ms".
std::optional<std::chrono::milliseconds> parse_duration(const std::string& text) {
    long long count = 0;
    const char* last = text.data() + text.size();
    const auto [end, failure] = std::from_chars(text.data(), last, count);
    const std::string unit(end, last);
    if (failure != std::errc() || count < 0 || (unit != "s" && unit != "ms") ||
        count > kLongestLookup.count()) {
        return std::nullopt;
    }
    return std::chrono::milliseconds(unit == "s" ? count * 1000 : count);
}

template <typename Value>
using Names = std::vector<std::pair<std::string, Value>>;

template <typename Value>
void read_choice(YamlMap& map, const std::string& key, const Names<Value>& names, Value& target) {
    const auto text = map.optional_text(key);
    if (!text) {
        return;
    }
    std::string expected;
    for (const auto& [name, value] : names) {
        if (name == *text) {
            target = value;
            return;
        }
        expected += (expected.empty() ? "" : ", ") + name;
    }
    map.fail(key, "\"" + *text + "\" is not one of " + expected);
}

void read_text(YamlMap& map, const std::string& key, std::string& target) {
    if (const auto text = map.optional_text(key)) {
        target = *text;
    }
}

// A path that must be absolute.
void read_path(YamlMap& map, const std::string& key, std::string& target) {
    const auto text = map.optional_text(key);
    if (text && (text->empty() || text->front() != '/')) {
        map.fail(key, "\"" + *text + "\" must be an absolute path");
    } else if (text) {
        target = *text;
    }
}

void read_size(YamlMap& map, const std::string& key, std::uint32_t& target, std::uint64_t low = 1,
               std::uint64_t high = kMaxMapEntries) {
    if (const auto number = map.number(key, low, high)) {
        target = static_cast<std::uint32_t>(*number);
    }
}

void read_ports(YamlMap& map, const std::string& key, PortSet& target) {
    for (const auto port : map.numbers(key, 1, kLastPort)) {
        target.insert(static_cast<std::uint16_t>(port));
    }
}

std::set<Cidr> read_ranges(YamlMap& map, const std::string& key) {
    std::set<Cidr> ranges;
    for (const auto& text : map.texts(key)) {
        const auto range = Cidr::parse(text);
        if (range) {
            ranges.insert(*range);
        } else {
            map.fail(key, range.error().message());
        }
    }
    return ranges;
}

// An empty list excludes nothing, and so does the range that contains everything.
void read_included_ranges(YamlMap& map, const std::string& key, TrafficFilter& filter) {
    const auto texts = map.texts(key);
    if (texts.empty() || std::find(texts.begin(), texts.end(), "*") != texts.end()) {
        return;
    }
    filter.included_ranges = read_ranges(map, key);
}

void read_paths(YamlMap& map, Config& config) {
    read_path(map, "socket", config.socket);
    std::string state = config.enroller.state_directory;
    read_path(map, "stateDirectory", state);
    config.set_state_directory(state);
    std::string proc = config.datapath.proc;
    read_path(map, "proc", proc);
    config.set_proc(proc);
    read_path(map, "hostVarRun", config.enroller.host_paths.var_run);
    read_path(map, "bpffs", config.datapath.bpffs);
    config.datapath.mount_bpffs = map.boolean("mountBpffs", config.datapath.mount_bpffs);
    read_text(map, "cgroup", config.datapath.cgroup);
    read_text(map, "bpfName", config.datapath.name);
    const std::string& name = config.datapath.name;
    if (name.empty() || name.size() > kLongestPinName || name.front() == '.' ||
        name.find('/') != std::string::npos) {
        map.fail("bpfName",
                 "must be the name of one directory below bpffs, it is \"" + name + "\"");
    }
}

// Or empty. The API server checks the exact rule.
bool is_label_key(const std::string& text) {
    constexpr std::size_t kLongest = 317;
    return text.size() <= kLongest &&
           text.find_first_not_of(kLabelKeyCharacters) == std::string::npos;
}

void read_kubernetes(YamlMap map, KubernetesOptions& options) {
    if (const auto path = map.optional_text("kubeconfig"); path && !path->empty()) {
        read_path(map, "kubeconfig", options.kubeconfig);
    }
    read_text(map, "node", options.node);
    options.all_nodes = map.boolean("allNodes", options.all_nodes);
    read_text(map, "nodeTaint", options.node_taint);
    if (!is_label_key(options.node_taint)) {
        map.fail("nodeTaint",
                 "must be the key of a taint, such as example.com/not-ready, it is \"" +
                     options.node_taint + "\"");
    }
    if (options.all_nodes && !options.node.empty()) {
        map.fail("allNodes", "follows the pods of every node: leave node away, or this");
    }
    map.refuse_unknown_keys();
}

void read_pod_source(YamlMap map, Config& config) {
    if (map.has("directory") && map.has("kubernetes")) {
        map.fail("kubernetes", "there is one source of pods: directory or kubernetes, not both");
    }
    if (map.has("directory")) {
        config.kubernetes.reset();
        read_path(map, "directory", config.pod_directory);
    } else if (map.has("kubernetes")) {
        config.kubernetes.emplace();
        read_kubernetes(map.map("kubernetes"), *config.kubernetes);
    }
    map.refuse_unknown_keys();
}

void read_pods(YamlMap& map, Config& config) {
    read_text(map, "profile", config.profile);
    read_path(map, "profilesDirectory", config.profiles_directory);
    read_pod_source(map.map("podSource"), config);
    if (const auto text = map.optional_text("podLookupTimeout")) {
        const auto limit = parse_duration(*text);
        if (limit && *limit <= kLongestLookup) {
            config.enroller.pod_lookup_timeout = *limit;
        } else {
            map.fail("podLookupTimeout",
                     "\"" + *text + "\" must be a time of at most 60s, such as 5s or 500ms");
        }
    }
    read_choice(map, "unknownPods",
                Names<std::optional<UnknownPods>>{{"refuse", UnknownPods::refuse},
                                                  {"pass", UnknownPods::pass}},
                config.unknown_pods);
}

void read_defaults(YamlMap& map, NodeDefaults& defaults) {
    read_choice(map, "inbound",
                Names<std::optional<InboundMechanism>>{{"auto", std::nullopt},
                                                       {"sk_lookup", InboundMechanism::sk_lookup},
                                                       {"tc", InboundMechanism::tc}},
                defaults.inbound_mechanism);
    read_choice(map, "acceleration",
                Names<std::optional<Acceleration>>{{"auto", std::nullopt},
                                                   {"off", Acceleration::off},
                                                   {"sidecar", Acceleration::sidecar},
                                                   {"full", Acceleration::full}},
                defaults.acceleration);
    read_ports(map, "outboundPortExclusionList", defaults.outbound.excluded_ports);
    read_ports(map, "inboundPortExclusionList", defaults.inbound.excluded_ports);
    defaults.outbound.excluded_ranges = read_ranges(map, "outboundIPRangeExclusionList");
    read_included_ranges(map, "outboundIPRangeInclusionList", defaults.outbound);
    defaults.excluded_interfaces = map.texts("networkInterfaceExclusionList");
}

// Interception itself cannot be left out.
void read_disabled_features(YamlMap& map, FeatureSet& disabled) {
    for (const auto& text : map.texts("disabledFeatures")) {
        const auto found =
            std::find_if(kFeatures.begin() + 1, kFeatures.end(),
                         [&](const Feature feature) { return to_string(feature) == text; });
        if (found == kFeatures.end()) {
            map.fail("disabledFeatures", "\"" + text +
                                             "\" must be acceleration, inbound-sk_lookup, "
                                             "inbound-tc, events or connections");
        } else {
            disabled.insert(*found);
        }
    }
}

void read_limits(YamlMap& map, DatapathOptions& options) {
    read_size(map, "maxPods", options.max_pods);
    read_size(map, "maxPolicyEntries", options.max_policy_entries);
    read_size(map, "maxConnections", options.max_connections);
    read_size(map, "unreadLimit", options.unread_limit_bytes, kLeastUnread, kMostUnread);
    read_size(map, "coalesceBelow", options.coalesce_below_bytes, 0, kMostUnread);
    options.kernel_tracing = map.boolean("kernelTracing", options.kernel_tracing);
    options.program_statistics = map.boolean("programStatistics", options.program_statistics);
}

void read_mode(YamlMap& map, Config& config) {
    const auto text = map.optional_text("trafficInterceptionMode");
    if (!text) {
        return;
    }
    auto mode = parse_interception_mode(*text);
    if (mode) {
        config.mode = *mode;
    } else {
        map.fail("trafficInterceptionMode", mode.error().message());
    }
}

template <typename Store>
void read_level(YamlMap& map, const std::string& key, const Store& store) {
    const auto text = map.optional_text(key);
    if (!text) {
        return;
    }
    const auto level = parse_log_level(*text);
    if (level) {
        store(*level);
    } else {
        map.fail(key, level.error().message());
    }
}

void read_log(YamlMap& map, Config& config) {
    read_level(map, "logLevel", [&](log::Level level) { config.log_level = level; });
    auto levels = map.map("logLevels");
    for (const log::Module module : log::kModules) {
        read_level(levels, std::string(to_string(module)),
                   [&](log::Level level) { config.log_levels[module] = level; });
    }
    levels.refuse_unknown_keys();
    read_choice(map, "logFormat",
                Names<log::Format>{{"text", log::Format::text}, {"json", log::Format::json}},
                config.log_format);
}

void read_metrics_address(YamlMap& map, Config& config) {
    const auto text = map.optional_text("metricsAddress");
    if (!text || text->empty()) {
        return;
    }
    const auto address = ListenAddress::parse(*text);
    if (address) {
        config.metrics_address = *address;
    } else {
        map.fail("metricsAddress", address.error().message());
    }
}

void read_cni(YamlMap& map, InstallOptions& options) {
    auto cni = map.map("cni");
    options.enabled = cni.boolean("install", options.enabled);
    read_path(cni, "binDir", options.bin_dir);
    read_path(cni, "configDir", options.config_dir);
    read_text(cni, "configuration", options.configuration);
    if (options.configuration.find('/') != std::string::npos) {
        cni.fail("configuration",
                 "\"" + options.configuration +
                     "\" must be the name of a file in configDir, or of a network");
    }
    read_path(cni, "plugin", options.plugin);
    read_path(cni, "hostSocket", options.host_socket);
    if (cni.has("excludeNamespaces")) {
        options.excluded_namespaces = cni.texts("excludeNamespaces");
    }
    cni.refuse_unknown_keys();
}

}  // namespace

Config::Config() : profiles_directory(FSM_PROFILES_DIRECTORY) {
    // The interceptor's own pods must never wait for it.
    if (const char* own = std::getenv("POD_NAMESPACE"); own != nullptr && *own != '\0') {
        cni.excluded_namespaces = {own};
    }
}

// The socket and the state directory are in one directory of the host, which may be mounted
// elsewhere in a container: the plugin finds the two beside each other.
InstallOptions Config::install_options() const {
    InstallOptions options = cni;
    const auto parent = [](const std::string& path) { return path.substr(0, path.rfind('/')); };
    const std::string& state = enroller.state_directory;
    options.host_state_directory = parent(state) == parent(socket)
                                       ? parent(cni.host_socket) + state.substr(state.rfind('/'))
                                       : state;
    return options;
}

void Config::set_state_directory(const std::string& directory) {
    enroller.state_directory = directory;
    datapath.run_directory = directory;
}

void Config::set_proc(const std::string& directory) {
    datapath.proc = directory;
    enroller.host_paths.proc = directory;
}

EnrollerOptions Config::enroller_options() const {
    EnrollerOptions options = enroller;
    // A cluster's node runs only pods of the cluster; other machines also run other containers.
    options.unknown_pods =
        unknown_pods.value_or(kubernetes ? UnknownPods::refuse : UnknownPods::pass);
    // Mode none looks up no pods, so it must not refuse unknown ones.
    if (mode == InterceptionMode::none) {
        options.unknown_pods = UnknownPods::pass;
    }
    return options;
}

Result<InterceptionMode> parse_interception_mode(const std::string& text) {
    for (const InterceptionMode mode :
         {InterceptionMode::ebpf, InterceptionMode::iptables, InterceptionMode::none}) {
        if (text == to_string(mode)) {
            return mode;
        }
    }
    return Error("\"" + text + "\" is not one of ebpf, iptables, none");
}

Result<log::Level> parse_log_level(const std::string& text) {
    const auto level = log::parse_level(text);
    if (!level) {
        return Error("\"" + text + "\" is not one of trace, debug, info, warn, error, off");
    }
    return *level;
}

Result<void> read_config_file(const std::string& path, Config& config) {
    FSM_ASSIGN(const auto text, read_file(path, kConfigLimit));
    YamlReader reader(path, text.size());
    FSM_ASSIGN(const auto documents, reader.load_documents(text));
    if (documents.size() > 1) {
        return Error(path + " has more than one YAML document");
    }
    if (documents.empty() || documents.front().IsNull()) {
        return {};
    }
    YamlMap map(documents.front(), reader, "");
    read_paths(map, config);
    read_mode(map, config);
    read_pods(map, config);
    read_defaults(map, config.enroller.defaults);
    read_limits(map, config.datapath);
    read_disabled_features(map, config.datapath.disabled_features);
    read_log(map, config);
    read_metrics_address(map, config);
    read_cni(map, config.cni);
    config.enroller.defaults.excluded_namespaces = {config.cni.excluded_namespaces.begin(),
                                                    config.cni.excluded_namespaces.end()};
    map.refuse_unknown_keys();
    if (reader.error()) {
        return *reader.error();
    }
    return {};
}

}  // namespace fsm
