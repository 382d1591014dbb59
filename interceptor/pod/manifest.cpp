#include "interceptor/pod/manifest.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "interceptor/pod/text.h"
#include "interceptor/pod/yaml_reader.h"

namespace fsm {

namespace {

constexpr std::uint64_t kLastId = std::numeric_limits<std::uint32_t>::max() - 1;
constexpr std::size_t kLongestName = 253;
constexpr std::size_t kLongestNamespace = 63;

bool is_lower_alphanumeric(char character) {
    return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9');
}

// One part of a DNS name, as Kubernetes allows it: [a-z0-9]([-a-z0-9]*[a-z0-9])?
bool is_dns_label(std::string_view text) {
    return !text.empty() && is_lower_alphanumeric(text.front()) &&
           is_lower_alphanumeric(text.back()) &&
           std::all_of(text.begin(), text.end(), [](char character) {
               return is_lower_alphanumeric(character) || character == '-';
           });
}

bool is_dns_subdomain(std::string_view text) {
    while (true) {
        const auto dot = text.find('.');
        if (!is_dns_label(text.substr(0, dot))) {
            return false;
        }
        if (dot == std::string_view::npos) {
            return true;
        }
        text.remove_prefix(dot + 1);
    }
}

std::optional<std::uint32_t> read_id(YamlMap& map, const std::string& key) {
    const auto value = map.number(key, 0, kLastId);
    return value ? std::optional(static_cast<std::uint32_t>(*value)) : std::nullopt;
}

// Names end in file names and messages: only what Kubernetes accepts is accepted here.
PodName read_name(YamlMap& metadata) {
    PodName name{metadata.optional_text("namespace").value_or("default"),
                 metadata.required_text("name")};
    if (name.name.size() > kLongestName || !is_dns_subdomain(name.name)) {
        metadata.fail("name", quoted(name.name) +
                                  " is not a pod's name: lower-case letters, digits, '-' and '.'");
    }
    if (name.pod_namespace.size() > kLongestNamespace || !is_dns_label(name.pod_namespace)) {
        metadata.fail("namespace", quoted(name.pod_namespace) +
                                       " is not a namespace: lower-case letters, digits and '-'");
    }
    return name;
}

// The parser of one text.
class ManifestParser {
  public:
    ManifestParser(const std::string& origin, std::size_t text_size) : reader_(origin, text_size) {}

    Result<std::vector<Pod>> parse(std::string_view text);

  private:
    void read_document(const YAML::Node& document);
    void read_items(YamlMap& list, const std::string& kind);
    void read_pod(const YAML::Node& node, YamlMap& top);
    void read_containers(YamlMap& spec, const std::string& key, Pod& pod,
                         const Container& defaults);
    Container read_container(YamlMap map, const Container& defaults);
    void read_environment(YamlMap& container, Container& result);

    YamlReader reader_;
    std::vector<Pod> pods_;
    std::set<PodName> names_;
};

Result<std::vector<Pod>> ManifestParser::parse(std::string_view text) {
    FSM_ASSIGN(const std::vector<YAML::Node> documents, reader_.load_documents(text));
    for (const YAML::Node& document : documents) {
        if (document.IsDefined() && !document.IsNull()) {
            read_document(document);
        }
        if (reader_.error()) {
            return *reader_.error();
        }
    }
    return std::move(pods_);
}

void ManifestParser::read_document(const YAML::Node& document) {
    YamlMap top(document, reader_, "");
    const std::string kind = top.required_text("kind");
    if (kind == "Pod") {
        read_pod(document, top);
    } else if (kind == "List" || kind == "PodList") {
        read_items(top, kind);
    }
}

// The items of a PodList need not say their kind. A list inside a list is refused: an anchor can
// make one that contains itself.
void ManifestParser::read_items(YamlMap& list, const std::string& list_kind) {
    list.each("items", [&](const YAML::Node& item, const std::string& path) {
        YamlMap map(item, reader_, path);
        const std::string kind = list_kind == "PodList" ? map.optional_text("kind").value_or("Pod")
                                                        : map.required_text("kind");
        if (kind == "Pod") {
            read_pod(item, map);
        } else if (kind == "List" || kind == "PodList") {
            map.fail("kind", "a list cannot be an item of a list");
        }
    });
}

void ManifestParser::read_pod(const YAML::Node& node, YamlMap& top) {
    Pod pod;
    YamlMap metadata = top.required_map("metadata");
    pod.name = read_name(metadata);
    pod.uid = metadata.text("uid");
    pod.labels = metadata.text_map("labels");
    pod.annotations = metadata.text_map("annotations");

    YamlMap spec = top.required_map("spec");
    pod.host_network = spec.boolean("hostNetwork", false);
    pod.user_namespace = !spec.boolean("hostUsers", true);
    YamlMap security = spec.map("securityContext");
    Container defaults;
    defaults.run_as_user = read_id(security, "runAsUser");
    defaults.run_as_group = read_id(security, "runAsGroup");
    defaults.kind = Container::Kind::init;
    read_containers(spec, "initContainers", pod, defaults);
    const std::size_t init_containers = pod.containers.size();
    defaults.kind = Container::Kind::ordinary;
    read_containers(spec, "containers", pod, defaults);
    if (pod.containers.size() == init_containers) {
        spec.fail("containers", "must name at least one container");
    }
    if (!names_.insert(pod.name).second) {
        reader_.fail(node, top.path_of("metadata.name"),
                     "pod " + pod.name.to_string() + " is described twice");
    }
    pods_.push_back(std::move(pod));
}

void ManifestParser::read_containers(YamlMap& spec, const std::string& key, Pod& pod,
                                     const Container& defaults) {
    spec.each(key, [&](const YAML::Node& node, const std::string& path) {
        pod.containers.push_back(read_container(YamlMap(node, reader_, path), defaults));
    });
}

Container ManifestParser::read_container(YamlMap map, const Container& defaults) {
    Container container = defaults;
    container.name = map.required_text("name");
    if (container.kind == Container::Kind::init && map.text("restartPolicy") == "Always") {
        container.kind = Container::Kind::native_sidecar;
    }
    YamlMap security = map.map("securityContext");
    if (const auto user = read_id(security, "runAsUser")) {
        container.run_as_user = user;
    }
    if (const auto group = read_id(security, "runAsGroup")) {
        container.run_as_group = group;
    }
    container.arguments = map.texts("args");
    read_environment(map, container);
    return container;
}

// What is taken from elsewhere (valueFrom) is not known here. The last of two entries of one name
// counts, as for the kubelet.
void ManifestParser::read_environment(YamlMap& container, Container& result) {
    container.each("env", [&](const YAML::Node& node, const std::string& path) {
        YamlMap entry(node, reader_, path);
        const std::string name = entry.required_text("name");
        if (!entry.has("valueFrom")) {
            result.environment[name] = entry.text("value");
        }
    });
}

}  // namespace

Result<std::vector<Pod>> parse_manifests(std::string_view text, const std::string& origin) {
    if (text.size() > kManifestSizeLimit) {
        return Error(origin + ": a manifest of more than " + std::to_string(kManifestSizeLimit) +
                         " bytes is not read; split it",
                     EFBIG);
    }
    return ManifestParser(origin, text.size()).parse(text);
}

}  // namespace fsm
