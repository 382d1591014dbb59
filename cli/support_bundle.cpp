#include "cli/support_bundle.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <functional>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "cli/archive.h"
#include "cli/check_command.h"
#include "cli/helm.h"
#include "cli/kubectl.h"
#include "cli/mesh.h"
#include "cli/node_exec.h"
#include "cli/redaction.h"
#include "common/version.h"

namespace fsm::cli {

namespace {

using nlohmann::json;

// Of one container's log: lines, and bytes.
constexpr const char* kLogLines = "--tail=20000";
constexpr const char* kLogBytes = "--limit-bytes=10000000";
// Whose names say nothing about the user.
constexpr std::array kKnownNamespaces = {"default", "kube-system", "kube-public",
                                         "kube-node-lease"};

struct Route {
    const char* file;
    std::vector<std::string> words;  // of fsm-interceptor
};

const std::vector<Route>& routes() {
    static const std::vector<Route> all = {
        {"status.json", {"query", "/v1/status"}},     {"pods.json", {"query", "/v1/pods"}},
        {"programs.json", {"query", "/v1/programs"}}, {"maps.json", {"query", "/v1/maps"}},
        {"counters.json", {"query", "/v1/counters"}}, {"metrics.txt", {"query", "/metrics"}},
        {"node-report.json", {"node-report"}}};
    return all;
}

// The pieces, until all names are known. Threads: may be used from any.
class Pieces {
  public:
    // Secrets are taken out here, so that no text with them is kept.
    void add(const std::string& path, const Result<std::string>& text) {
        if (!text) {
            miss(path, text.error().message());
            return;
        }
        auto document = json::parse(*text, nullptr, false);
        const bool structured = document.is_object() || document.is_array();
        if (structured) {
            redact_json(document);
        }
        std::string content =
            structured ? document.dump(2, ' ', false, json::error_handler_t::replace) + "\n"
                       : redact_text(*text);
        const std::lock_guard lock(mutex_);
        files_[path] = std::move(content);
    }
    void miss(const std::string& what, const std::string& why) {
        const std::lock_guard lock(mutex_);
        missing_[what] = redact_text(why);
    }

    // From now on, only one thread uses it.
    const std::map<std::string, std::string>& files() const { return files_; }
    const std::map<std::string, std::string>& missing() const { return missing_; }

  private:
    std::mutex mutex_;
    std::map<std::string, std::string> files_;
    std::map<std::string, std::string> missing_;
};

std::string timestamp(std::time_t time, const char* format) {
    std::tm parts{};
    gmtime_r(&time, &parts);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), format, &parts);
    return text.data();
}

Result<std::string> get(const Kubectl& kubectl, std::vector<std::string> words) {
    FSM_ASSIGN(const auto object, kubectl.get(std::move(words)));
    if (object.is_null()) {
        return Error("it does not exist");
    }
    return object.dump();
}

void collect_cluster(const Kubectl& kubectl, const BundleOptions& options, Pieces& pieces) {
    pieces.add("nodes.json", get(kubectl, {"nodes"}));
    pieces.add("check.json",
               check_report({.settings = options.settings, .mode = "", .profile = ""}));
}

void collect_mesh(const Kubectl& kubectl, const BundleOptions& options, const Mesh& mesh,
                  Pieces& pieces) {
    const auto& place = mesh.mesh_namespace;
    const auto object = [&](const std::string& file, std::vector<std::string> words) {
        words.insert(words.end(), {"--namespace", place});
        pieces.add("mesh/" + file, get(kubectl, std::move(words)));
    };
    object("namespace.json", {"namespace", place});
    object("daemonset.json", {"daemonsets.apps", kInterceptor});
    object("configmap.json", {"configmap", kInterceptor});
    object("pods.json", {"pods", "--selector", interceptor_selector(mesh.name)});
    object("events.json", {"events"});
    object("revisions.json",
           {"controllerrevisions.apps", "--selector", interceptor_selector(mesh.name)});
    auto settings = options.settings;
    settings.fsm_namespace = place;
    const auto helm = Helm::find(settings);
    pieces.add("mesh/values.json", helm ? helm->values(mesh.name) : helm.error());
    pieces.add("mesh/history.json", helm ? helm->history(mesh.name) : helm.error());
}

Result<std::string> log_of(const Kubectl& kubectl, const InterceptorPod& pod,
                           std::vector<std::string> options) {
    std::vector<std::string> words = {
        "logs",        pod.name,       "--namespace", pod.pod_namespace, "--container",
        "interceptor", "--timestamps", kLogLines,     kLogBytes,         "--request-timeout=60s"};
    words.insert(words.end(), options.begin(), options.end());
    return kubectl.run(std::move(words));
}

void collect_node(const Kubectl& kubectl, const InterceptorPod& pod, Pieces& pieces) {
    const std::string folder = "nodes/" + pod.node + "/";
    for (const auto& route : routes()) {
        pieces.add(folder + route.file, run_in(kubectl, pod, {route.words}));
    }
    pieces.add(folder + "log.txt", log_of(kubectl, pod, {}));
    pieces.add(folder + "log-previous.txt", log_of(kubectl, pod, {"--previous"}));
}

void collect_nodes(const Kubectl& kubectl, const BundleOptions& options, const Mesh& mesh,
                   Pieces& pieces) {
    const auto pods = find_interceptors(kubectl, mesh, {});
    if (!pods) {
        pieces.miss("nodes", pods.error().message());
        return;
    }
    run_bounded(pods->size(), options.at_once,
                [&](std::size_t index) { collect_node(kubectl, (*pods)[index], pieces); });
}

// The names in what was collected: nodes; pods of the mesh, and their namespaces.
Pseudonyms pseudonyms_of(const Pieces& pieces, const std::string& mesh_namespace) {
    Pseudonyms names;
    for (const auto& [path, text] : pieces.files()) {
        const auto document = json::parse(text, nullptr, false);
        if (path == "nodes.json") {
            for (const auto& node : list_at(document, "items")) {
                names.add("node", text_at(node, "metadata/name"));
            }
        }
        if (path.rfind("nodes/", 0) != 0 || path.find("/pods.json") == std::string::npos) {
            continue;
        }
        for (const auto& pod : list_at(document, "pods")) {
            const auto name = text_at(pod, "pod");
            const auto slash = name.find('/');
            if (slash == std::string::npos) {
                continue;
            }
            const auto place = name.substr(0, slash);
            names.add("pod", name.substr(slash + 1));
            if (place != mesh_namespace &&
                std::find(kKnownNamespaces.begin(), kKnownNamespaces.end(), place) ==
                    kKnownNamespaces.end()) {
                names.add("namespace", place);
            }
        }
    }
    return names;
}

std::string index_of(const Pieces& pieces, std::time_t now) {
    nlohmann::ordered_json index = {{"created", timestamp(now, "%Y-%m-%dT%H:%M:%SZ")},
                                    {"fsm", kVersion},
                                    {"files", json::array()},
                                    {"missing", json::array()}};
    for (const auto& [path, text] : pieces.files()) {
        index["files"].push_back(path);
    }
    for (const auto& [what, why] : pieces.missing()) {
        index["missing"].push_back({{"what", what}, {"why", why}});
    }
    return index.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<void> write(const Pieces& pieces, const Pseudonyms& names, const std::string& file,
                   std::time_t now) {
    auto folder = file.substr(file.rfind('/') + 1);
    folder = folder.substr(0, folder.find(".tar"));
    FSM_ASSIGN(auto archive, Archive::create(file, folder.empty() ? "fsm-support" : folder, now));
    FSM_TRY(archive.add("index.json", names.replace(index_of(pieces, now))));
    for (const auto& [path, text] : pieces.files()) {
        FSM_TRY(archive.add(names.replace(path), names.replace(text)));
    }
    return archive.finish();
}

std::optional<Mesh> mesh_of(const Kubectl& kubectl, const BundleOptions& options, Pieces& pieces) {
    auto mesh = find_mesh(kubectl, options.settings.mesh_name);
    if (mesh) {
        return std::move(*mesh);
    }
    pieces.miss("mesh", mesh.error().message());
    return std::nullopt;
}

}  // namespace

Result<void> write_support_bundle(const BundleOptions& options) {
    const std::time_t now = std::time(nullptr);
    const std::string file = options.output.empty()
                                 ? "fsm-support-" + timestamp(now, "%Y%m%dT%H%M%SZ") + ".tar.gz"
                                 : options.output;
    const Kubectl kubectl(options.settings);
    Pieces pieces;
    FSM_ASSIGN(const auto version,
               kubectl.run({"version", "--output", "json", "--request-timeout=30s"}));
    pieces.add("versions.json", version);
    collect_cluster(kubectl, options, pieces);
    const auto mesh = mesh_of(kubectl, options, pieces);
    if (mesh) {
        collect_mesh(kubectl, options, *mesh, pieces);
        collect_nodes(kubectl, options, *mesh, pieces);
    }
    const Pseudonyms names =
        options.names == Names::replaced
            ? pseudonyms_of(pieces, mesh ? mesh->mesh_namespace : options.settings.fsm_namespace)
            : Pseudonyms();
    FSM_TRY(write(pieces, names, file, now));
    std::cout << file << ": " << pieces.files().size() << " files\n";
    for (const auto& [what, why] : pieces.missing()) {
        std::cout << "not in it: " << what << ": " << why << "\n";
    }
    std::cout << "Secrets were taken out; look through it before you send it to others.\n";
    return {};
}

}  // namespace fsm::cli
