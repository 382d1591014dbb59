#include "interceptor/pod/manifest.h"

#include <set>
#include <utility>

#include "common/document/yaml_reader.h"
#include "interceptor/pod/pod_reader.h"

namespace fsm {

namespace {

// The parser of one text.
class ManifestParser {
  public:
    ManifestParser(const std::string& origin, std::size_t text_size) : reader_(origin, text_size) {}

    Result<std::vector<Pod>> parse(std::string_view text);

  private:
    void read_document(const YAML::Node& document);
    void read_items(YamlMap& list, const std::string& kind);
    void add_pod(const YAML::Node& node, YamlMap& top);

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
        add_pod(document, top);
    } else if (kind == "List" || kind == "PodList") {
        read_items(top, kind);
    }
}

// The items of a PodList need not have a kind. A list inside a list is refused, because an anchor
// can create one that contains itself.
void ManifestParser::read_items(YamlMap& list, const std::string& list_kind) {
    list.each("items", [&](const YAML::Node& item, const std::string& path) {
        YamlMap map(item, reader_, path);
        const std::string kind = list_kind == "PodList" ? map.optional_text("kind").value_or("Pod")
                                                        : map.required_text("kind");
        if (kind == "Pod") {
            add_pod(item, map);
        } else if (kind == "List" || kind == "PodList") {
            map.fail("kind", "a list cannot be an item of a list");
        }
    });
}

void ManifestParser::add_pod(const YAML::Node& node, YamlMap& top) {
    Pod pod = read_pod(top);
    if (!names_.insert(pod.name).second) {
        reader_.fail(node, top.path_of("metadata.name"),
                     "pod " + pod.name.to_string() + " is described twice");
    }
    pods_.push_back(std::move(pod));
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
