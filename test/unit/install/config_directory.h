// The test's own directory of CNI configurations, and a container runtime's view of it.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace fsm::testing {

class ConfigDirectory {
  public:
    ConfigDirectory() {
        char name[] = "/tmp/fsm-install-test-XXXXXX";
        if (mkdtemp(name) == nullptr) {
            std::abort();
        }
        path_ = name;
    }
    ConfigDirectory(const ConfigDirectory&) = delete;
    ConfigDirectory& operator=(const ConfigDirectory&) = delete;
    ~ConfigDirectory() { std::filesystem::remove_all(path_); }

    const std::string& path() const { return path_; }
    std::string path(const std::string& name) const { return path_ + "/" + name; }

    void put(const std::string& name, const std::string& text, mode_t mode = 0644) const {
        std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
        std::ofstream(path(name)) << text;
        chmod(path(name).c_str(), mode);
    }
    std::string get(const std::string& name) const {
        std::ifstream file(path(name));
        return {std::istreambuf_iterator<char>(file), {}};
    }
    mode_t mode_of(const std::string& name) const {
        struct stat info {};
        return lstat(path(name).c_str(), &info) == 0 ? info.st_mode & 07777U : 0;
    }
    std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(path_)) {
            names.push_back(entry.path().filename().string());
        }
        std::sort(names.begin(), names.end());
        return names;
    }
    // Everything that a later comparison must find unchanged.
    std::map<std::string, std::pair<mode_t, std::string>> snapshot() const {
        std::map<std::string, std::pair<mode_t, std::string>> all;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
            const auto name = entry.path().lexically_relative(path_).string();
            all[name] = {mode_of(name), entry.is_directory() ? "" : get(name)};
        }
        return all;
    }

  private:
    std::string path_;
};

// The chain that containerd would use: an independent implementation of the rules, not the
// product's.
struct RuntimesView {
    std::string error;  // why no pod would start; empty: pods start
    nlohmann::json chain;

    bool has_fsm() const {
        return std::any_of(chain["plugins"].begin(), chain["plugins"].end(),
                           [](const auto& plugin) { return plugin["type"] == "fsm-cni"; });
    }
};

// As in libcni 1.3.
inline nlohmann::json with_plugins_of_folder(const ConfigDirectory& directory,
                                             nlohmann::json chain) {
    namespace fs = std::filesystem;
    auto plugins = chain.value("plugins", nlohmann::json::array());
    const fs::path folder = directory.path(chain.value("name", ""));
    std::vector<std::string> names;
    if (fs::is_directory(folder)) {
        for (const auto& entry : fs::directory_iterator(folder)) {
            if (entry.path().extension() == ".conf") {
                names.push_back(entry.path().filename().string());
            }
        }
    }
    std::sort(names.begin(), names.end());
    for (const auto& name : names) {
        plugins.push_back(
            nlohmann::json::parse(directory.get(folder.filename().string() + "/" + name)));
    }
    chain["plugins"] = plugins;
    return chain;
}

inline RuntimesView runtimes_view(const ConfigDirectory& directory) {
    for (const auto& name : directory.names()) {
        const auto ending = std::filesystem::path(name).extension().string();
        const bool list = ending == ".conflist";
        if (!list && ending != ".conf" && ending != ".json") {
            continue;
        }
        const auto document = nlohmann::json::parse(directory.get(name), nullptr, false);
        if (!document.is_object()) {
            return {name + " is not JSON", {}};
        }
        if (!list && !document.contains("type")) {
            return {name + " has no type", {}};
        }
        if (list) {
            const auto chain = with_plugins_of_folder(directory, document);
            const bool usable = chain.contains("name") && !chain["plugins"].empty();
            return usable ? RuntimesView{"", chain}
                          : RuntimesView{name + " has no name or plugins", {}};
        }
        return {"",
                {{"name", document.value("name", "")},
                 {"cniVersion", document.value("cniVersion", "")},
                 {"plugins", nlohmann::json::array({document})}}};
    }
    return {"no configuration", {}};
}

}  // namespace fsm::testing
