#include "interceptor/pod/mesh_profile.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <variant>

#include "common/document/yaml_reader.h"
#include "common/file.h"
#include "common/text.h"
#include "interceptor/pod/annotation_kinds.h"
#include "interceptor/pod/builtin_profiles.h"

namespace fsm {

namespace {

constexpr std::size_t kProfileSizeLimit = std::size_t{1} << 18;
constexpr std::uint64_t kLastPort = std::numeric_limits<std::uint16_t>::max();
// The largest value means "no change" to the kernel.
constexpr std::uint64_t kLastId = std::numeric_limits<std::uint32_t>::max() - 1;

template <typename T>
struct Word {
    const char* text;
    T value;
};

struct Ipv6Word {
    Ipv6Mode mode;
    Ipv6Rule rule;
};

constexpr auto kIpv6Words = std::to_array<Word<Ipv6Word>>({
    {"never", {Ipv6Mode::never, Ipv6Rule::policy}},
    {"when_listening", {Ipv6Mode::when_listening, Ipv6Rule::policy}},
    {"always", {Ipv6Mode::always, Ipv6Rule::policy}},
    {"first_address", {Ipv6Mode::never, Ipv6Rule::first_address}},
});

constexpr auto kEffects = std::to_array<Word<Unsupported::Effect>>({
    {"say", Unsupported::Effect::say},
    {"refuse", Unsupported::Effect::refuse},
});

constexpr auto kInclusionRules = std::to_array<Word<InclusionRule>>({
    {"every_list", InclusionRule::every_list},
    {"any_list", InclusionRule::any_list},
});

constexpr auto kEmptyInclusions = std::to_array<Word<bool>>({{"all", false}, {"none", true}});

// The row of the table for the word below `key`.
template <typename Table>
const auto& read_row(YamlMap& map, const std::string& key, const Table& table,
                     const char* when_absent) {
    const std::string text = map.optional_text(key).value_or(when_absent);
    std::vector<std::string> accepted;
    for (const auto& row : table) {
        if (text == row.text) {
            return row;
        }
        accepted.emplace_back(row.text);
    }
    map.fail(key, in_quotes(text) + " is not one of " + joined(accepted));
    return table.front();
}

// The value for the word below `key`.
template <typename Words>
auto read_word(YamlMap& map, const std::string& key, const Words& words, const char* when_absent) {
    return read_row(map, key, words, when_absent).value;
}

std::uint16_t required_port(YamlMap& map, const std::string& key) {
    return static_cast<std::uint16_t>(map.required_number(key, 1, kLastPort));
}

std::uint16_t optional_port(YamlMap& map, const std::string& key, std::uint16_t when_absent) {
    return static_cast<std::uint16_t>(map.number(key, 1, kLastPort).value_or(when_absent));
}

PortSet port_set(YamlMap& map, const std::string& key) {
    PortSet result;
    for (const std::uint64_t port : map.numbers(key, 1, kLastPort)) {
        result.insert(static_cast<std::uint16_t>(port));
    }
    return result;
}

void read_sidecar(YamlMap sidecar, MeshProfile& profile) {
    profile.sidecar_containers = sidecar.texts("containers");
    if (profile.sidecar_containers.empty()) {
        sidecar.fail("containers", "must name at least one container");
    }
    profile.sidecar_uid = static_cast<std::uint32_t>(sidecar.required_number("uid", 0, kLastId));
    if (const auto gid = sidecar.number("gid", 0, kLastId)) {
        profile.sidecar_gid = static_cast<std::uint32_t>(*gid);
    }
    profile.identity_from_container = sidecar.boolean("identity_from_container", false);
    profile.sidecar_reads_safely = sidecar.boolean("reads_safely", false);
    profile.own_containers = sidecar.texts("own_containers");
    YamlMap marks = sidecar.map("marks");
    profile.marks = {marks.texts("labels"), marks.texts("annotations"),
                     marks.boolean("uid", false)};
    marks.refuse_unknown_keys();
    sidecar.refuse_unknown_keys();
}

void read_ports(YamlMap ports, MeshProfile& profile) {
    profile.ports.outbound4 = required_port(ports, "outbound");
    profile.ports.inbound4 = required_port(ports, "inbound");
    profile.ports.outbound6 = optional_port(ports, "outbound_ipv6", profile.ports.outbound4);
    profile.ports.inbound6 = optional_port(ports, "inbound_ipv6", profile.ports.inbound4);
    ports.refuse_unknown_keys();
    if (profile.ports.outbound4 == profile.ports.inbound4 ||
        profile.ports.outbound6 == profile.ports.inbound6) {
        ports.fail("inbound", "must differ from the outbound port of the same family");
    }
}

// Variables of the sidecar's container, and values of theirs.
std::map<std::string, std::vector<std::string>> variables(YamlMap map) {
    std::map<std::string, std::vector<std::string>> result;
    for (const std::string& variable : map.keys()) {
        result[variable] = map.texts(variable);
    }
    return result;
}

void read_pods(YamlMap pods, MeshProfile& profile) {
    profile.required_labels = pods.texts("required_labels");
    profile.required_annotations = pods.texts("required_annotations");
    profile.exempting_containers = pods.texts("exempting_containers");
    profile.exempting_labels = pods.texts("exempting_labels");
    profile.exempting_annotations = pods.texts("exempting_annotations");
    profile.exempting_environment = variables(pods.map("exempting_environment"));
    profile.exempting_arguments = pods.texts("exempting_arguments");
    profile.sidecarless_labels = variables(pods.map("sidecarless_labels"));
    pods.refuse_unknown_keys();
}

enum class Family : std::uint8_t { ipv4, ipv6 };

std::optional<IpAddress> read_address(YamlMap& map, const std::string& key, Family family) {
    const auto text = map.optional_text(key);
    if (!text) {
        return std::nullopt;
    }
    const auto address = IpAddress::parse(*text);
    if (!address || address->is_v4() != (family == Family::ipv4)) {
        map.fail(key, in_quotes(*text) + " is not an " +
                          (family == Family::ipv4 ? "IPv4" : "IPv6") + " address");
        return std::nullopt;
    }
    return *address;
}

void read_own_source(YamlMap source, MeshProfile& profile) {
    profile.own_source4 = read_address(source, "ipv4", Family::ipv4);
    profile.own_source6 = read_address(source, "ipv6", Family::ipv6);
    profile.own_source_reaches_pod_address = source.boolean("reaches_pod_address", true);
    source.refuse_unknown_keys();
}

void read_ipv6(YamlMap& traffic, MeshProfile& profile) {
    const Ipv6Word word = read_word(traffic, "ipv6", kIpv6Words, "when_listening");
    profile.ipv6 = word.mode;
    profile.ipv6_rule = word.rule;
    profile.ipv6_any_address = variables(traffic.map("ipv6_any_address"));
    if (word.rule != Ipv6Rule::first_address && !profile.ipv6_any_address.empty()) {
        traffic.fail("ipv6_any_address", "has no meaning unless ipv6 is first_address");
    }
}

void read_traffic(YamlMap traffic, MeshProfile& profile) {
    profile.never_inbound_ports = port_set(traffic, "never_inbound_ports");
    profile.never_outbound_ports = port_set(traffic, "never_outbound_ports");
    read_own_source(traffic.map("own_source"), profile);
    profile.self_call_exempt_port = optional_port(traffic, "self_call_exempt_port", 0);
    read_ipv6(traffic, profile);
    profile.outbound_inclusion =
        read_word(traffic, "outbound_inclusion", kInclusionRules, "every_list");
    profile.empty_inclusion_means_none =
        read_word(traffic, "empty_inclusion", kEmptyInclusions, "all");
    traffic.refuse_unknown_keys();
}

// A key without a meaning for the rule's kind is not read, and so reported as unknown.
AnnotationRule read_annotation(YamlMap entry) {
    AnnotationRule rule;
    rule.name = entry.required_text("name");
    if (!entry.has("kind")) {
        entry.fail("kind", "is missing");
    }
    const AnnotationKindRow& kind = read_row(entry, "kind", annotation_kinds(), "injection");
    rule.kind = kind.kind;
    const bool is_switch = std::holds_alternative<SwitchForm>(kind.form);
    const bool is_port_list = std::holds_alternative<PortsForm>(kind.form);
    if (is_switch) {
        rule.enabled = entry.texts("enabled");
        rule.disabled = entry.texts("disabled");
        rule.also_label = entry.boolean("also_label", false);
        if (rule.enabled.empty() || rule.disabled.empty()) {
            entry.fail("", "a switch needs `enabled` and `disabled` values");
        }
    }
    if (is_port_list) {
        rule.port_ranges = entry.boolean("port_ranges", false);
    }
    if (is_port_list || std::holds_alternative<RangesForm>(kind.form)) {
        rule.wildcard = entry.optional_text("wildcard");
    }
    if (is_switch) {
        rule.reason = entry.text("reason");
    } else {
        rule.value_when_absent = entry.optional_text("value_when_absent");
    }
    rule.inherited = entry.boolean("inherited", false);
    entry.refuse_unknown_keys();
    return rule;
}

void read_annotations(YamlMap& top, YamlReader& reader, MeshProfile& profile) {
    std::set<std::string> names;
    top.each("annotations", [&](const YAML::Node& node, const std::string& path) {
        AnnotationRule rule = read_annotation(YamlMap(node, reader, path));
        if (!names.insert(rule.name).second) {
            reader.fail(node, path, in_quotes(rule.name) + " is described twice");
        }
        profile.annotations.push_back(std::move(rule));
    });
}

Unsupported read_unsupported(YamlMap entry) {
    Unsupported result;
    const bool environment = entry.has("environment");
    if (environment == entry.has("annotation")) {
        entry.fail("", "names either an `environment` variable or an `annotation`");
    }
    result.source =
        environment ? Unsupported::Source::environment : Unsupported::Source::annotation;
    result.name = entry.required_text(environment ? "environment" : "annotation");
    if (!entry.has("effect")) {
        entry.fail("effect", "is missing");
    }
    result.effect = read_word(entry, "effect", kEffects, "say");
    result.values = entry.texts("values");
    if (result.values.empty()) {
        result.harmless = entry.texts("harmless");
    }
    if (!environment) {
        result.inherited = entry.boolean("inherited", false);
    }
    result.text = entry.required_text("text");
    entry.refuse_unknown_keys();
    return result;
}

}  // namespace

Result<MeshProfile> MeshProfile::parse(std::string_view text, const std::string& origin) {
    if (text.size() > kProfileSizeLimit) {
        return Error(origin + ": a profile of more than " + std::to_string(kProfileSizeLimit) +
                         " bytes is not read",
                     EFBIG);
    }
    YamlReader reader(origin, text.size());
    FSM_ASSIGN(const std::vector<YAML::Node> documents, reader.load_documents(text));
    if (documents.size() != 1) {
        return Error(origin + ": a profile is one YAML document, this has " +
                         std::to_string(documents.size()),
                     EINVAL);
    }
    MeshProfile profile;
    YamlMap top(documents.front(), reader, "");
    profile.name = top.required_text("mesh");
    read_sidecar(top.required_map("sidecar"), profile);
    read_ports(top.required_map("ports"), profile);
    read_pods(top.map("pods"), profile);
    read_traffic(top.map("traffic"), profile);
    read_annotations(top, reader, profile);
    top.each_map("unsupported", [&](YamlMap entry) {
        profile.unsupported.push_back(read_unsupported(std::move(entry)));
    });
    top.refuse_unknown_keys();
    if (reader.error()) {
        return *reader.error();
    }
    return profile;
}

Result<MeshProfile> MeshProfile::load(const std::string& path) {
    auto text = read_file(path, kProfileSizeLimit);
    if (!text) {
        return std::move(text.error()).within("load mesh profile");
    }
    return parse(*text, path);
}

Result<MeshProfile> MeshProfile::builtin(std::string_view name) {
    for (const BuiltinProfile& profile : builtin_profiles()) {
        if (profile.name == name) {
            return parse(profile.text, "built-in profile " + std::string(name));
        }
    }
    return Error(
        "there is no mesh profile " + in_quotes(name) + "; built in are " + joined(builtin_names()),
        ENOENT);
}

std::vector<std::string> MeshProfile::builtin_names() {
    std::vector<std::string> names;
    for (const BuiltinProfile& profile : builtin_profiles()) {
        names.emplace_back(profile.name);
    }
    return names;
}

Result<MeshProfile> MeshProfile::find(const std::string& name, const std::string& directory) {
    if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
        return Error("mesh profile " + in_quotes(name) + ": a name is expected, not a path",
                     EINVAL);
    }
    if (directory.empty()) {
        return builtin(name);
    }
    const std::string path = directory + "/" + name + ".yaml";
    struct stat unused {};
    if (::stat(path.c_str(), &unused) == 0) {
        return load(path);
    }
    if (errno != ENOENT) {
        return Error::from_errno("load mesh profile " + path);
    }
    auto profile = builtin(name);
    if (!profile) {
        return std::move(profile.error()).within("no file " + path);
    }
    return profile;
}

}  // namespace fsm
