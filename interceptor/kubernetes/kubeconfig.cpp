#include "interceptor/kubernetes/kubeconfig.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "common/base64.h"
#include "common/document/yaml_reader.h"
#include "common/file.h"
#include "common/port.h"

namespace fsm {

namespace {

constexpr std::size_t kKubeconfigLimit = std::size_t{4} << 20;
constexpr std::string_view kScheme = "https://";

// host[:port][/path], [v6][:port][/path]; false when it is none of these.
bool split_server(std::string_view rest, ClusterAccess& access, std::string& port) {
    const auto slash = rest.find('/');
    if (slash != std::string_view::npos) {
        access.path_prefix = rest.substr(slash);
        rest = rest.substr(0, slash);
    }
    while (access.path_prefix.ends_with('/')) {
        access.path_prefix.pop_back();
    }
    if (rest.find_first_of("@?# ") != std::string_view::npos ||
        access.path_prefix.find_first_of("?# ") != std::string::npos) {
        return false;
    }
    if (rest.starts_with('[')) {
        const auto bracket = rest.find(']');
        if (bracket == std::string_view::npos) {
            return false;
        }
        access.host = rest.substr(1, bracket - 1);
        rest = rest.substr(bracket + 1);
    } else {
        const auto colon = rest.find(':');
        access.host = rest.substr(0, colon);
        rest = colon == std::string_view::npos ? "" : rest.substr(colon);
    }
    if (!rest.empty() && rest.front() != ':') {
        return false;
    }
    port = rest.empty() ? "443" : rest.substr(1);
    return !access.host.empty();
}

// The reader of one file.
class Kubeconfig {
  public:
    Kubeconfig(const std::string& path, std::size_t size)
        : reader_(path, size), directory_(path.substr(0, path.rfind('/') + 1)) {}

    Result<ClusterAccess> read(const std::string& text);

  private:
    // The mapping `key` of the entry that is called `name` in the list `list`.
    std::optional<YamlMap> entry(YamlMap& top, const std::string& list, const std::string& key,
                                 const std::string& name);
    void read_cluster(YamlMap cluster);
    void read_server(YamlMap& cluster);
    void read_user(YamlMap user);
    static void refuse(YamlMap& map, const std::string& key, const std::string& instead);
    Credential credential(YamlMap& map, const std::string& file_key, const std::string& data_key);
    std::string in_directory(const std::string& path) const;

    YamlReader reader_;
    const std::string directory_;
    ClusterAccess access_;
};

Result<ClusterAccess> Kubeconfig::read(const std::string& text) {
    FSM_ASSIGN(const auto documents, reader_.load_documents(text));
    YamlMap top(documents.size() == 1 ? documents.front() : YAML::Node(), reader_, "");
    if (documents.size() != 1) {
        top.fail("", "must be one YAML document");
    }
    const std::string current = top.required_text("current-context");
    if (auto context = entry(top, "contexts", "context", current)) {
        const std::string cluster_name = context->required_text("cluster");
        const std::string user_name = context->text("user");
        if (auto cluster = entry(top, "clusters", "cluster", cluster_name)) {
            read_cluster(std::move(*cluster));
        }
        if (!user_name.empty()) {
            if (auto user = entry(top, "users", "user", user_name)) {
                read_user(std::move(*user));
            }
        }
    }
    if (reader_.error()) {
        return *reader_.error();
    }
    return access_;
}

std::optional<YamlMap> Kubeconfig::entry(YamlMap& top, const std::string& list,
                                         const std::string& key, const std::string& name) {
    std::optional<YamlMap> found;
    top.each_map(list, [&](YamlMap candidate) {
        if (!found && candidate.text("name") == name) {
            found.emplace(candidate.required_map(key));
        }
    });
    if (!found && !name.empty()) {
        top.fail(list, "has no entry with the name \"" + name + "\"");
    }
    return found;
}

void Kubeconfig::read_cluster(YamlMap cluster) {
    read_server(cluster);
    refuse(cluster, "proxy-url", "name a server that is reached without a proxy");
    access_.tls_server_name = cluster.text("tls-server-name");
    access_.authority = credential(cluster, "certificate-authority", "certificate-authority-data");
    access_.skip_verification = cluster.boolean("insecure-skip-tls-verify", false);
    if (access_.skip_verification && access_.authority.is_given()) {
        cluster.fail("insecure-skip-tls-verify",
                     "contradicts the certificate authority beside it; leave one of them away");
    }
}

void Kubeconfig::read_server(YamlMap& cluster) {
    const std::string server = cluster.required_text("server");
    if (!server.starts_with(kScheme)) {
        return cluster.fail("server", "\"" + server + "\" must begin with https://");
    }
    std::string port;
    if (!split_server(std::string_view(server).substr(kScheme.size()), access_, port)) {
        return cluster.fail("server", "\"" + server +
                                          "\" is not a URL like https://host:6443 or "
                                          "https://[fd00::1]:6443");
    }
    const auto parsed = parse_port(port, "\"" + server + "\"");
    if (parsed) {
        access_.port = *parsed;
    } else {
        cluster.fail("server", parsed.error().message());
    }
}

void Kubeconfig::read_user(YamlMap user) {
    refuse(user, "exec", "use a token, a tokenFile or a client certificate");
    refuse(user, "auth-provider", "use a token, a tokenFile or a client certificate");
    refuse(user, "username", "use a token, a tokenFile or a client certificate");
    refuse(user, "as", "use the credentials of that user themselves");
    access_.client_certificate = credential(user, "client-certificate", "client-certificate-data");
    access_.client_key = credential(user, "client-key", "client-key-data");
    if (access_.client_certificate.is_given() != access_.client_key.is_given()) {
        user.fail(access_.client_key.is_given() ? "client-key" : "client-certificate",
                  "a certificate and its key belong together; one of them is missing");
    }
    access_.token.text = user.text("token");
    if (const auto file = user.optional_text("tokenFile"); file && !file->empty()) {
        access_.token = {in_directory(*file), ""};
    }
}

void Kubeconfig::refuse(YamlMap& map, const std::string& key, const std::string& instead) {
    if (map.has(key)) {
        map.fail(key, "is not supported by fsm-interceptor; " + instead);
    }
}

// As for kubectl, the data override the file.
Credential Kubeconfig::credential(YamlMap& map, const std::string& file_key,
                                  const std::string& data_key) {
    const std::string file = map.text(file_key);
    std::string data = map.text(data_key);
    if (data.empty()) {
        return {file.empty() ? "" : in_directory(file), ""};
    }
    std::erase_if(data, [](char c) { return c == '\n' || c == '\r' || c == ' '; });
    auto decoded = decode_base64(data);
    if (!decoded) {
        map.fail(data_key, decoded.error().message());
        return {};
    }
    return {"", std::move(*decoded)};
}

std::string Kubeconfig::in_directory(const std::string& path) const {
    return path.front() == '/' ? path : directory_ + path;
}

}  // namespace

Result<ClusterAccess> read_kubeconfig(const std::string& path) {
    FSM_ASSIGN(const auto text, read_file(path, kKubeconfigLimit));
    return Kubeconfig(path, text.size()).read(text);
}

}  // namespace fsm
