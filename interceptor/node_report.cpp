#include "interceptor/node_report.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>

#include "common/file.h"
#include "common/text.h"
#include "common/version.h"
#include "interceptor/datapath/cgroup_programs.h"
#include "interceptor/datapath/mounts.h"
#include "interceptor/interception/mount_table.h"

namespace fsm {

namespace {

using nlohmann::json;

constexpr std::size_t kSmall = std::size_t{64} << 10;
constexpr std::size_t kConfigFile = std::size_t{1} << 20;
constexpr const char* kBtf = "/sys/kernel/btf/vmlinux";
// What the data path, mode iptables and the installation depend on.
constexpr std::array kOptions = {"CONFIG_BPF_SYSCALL",
                                 "CONFIG_BPF_JIT",
                                 "CONFIG_BPF_JIT_ALWAYS_ON",
                                 "CONFIG_BPF_UNPRIV_DEFAULT_OFF",
                                 "CONFIG_CGROUPS",
                                 "CONFIG_CGROUP_BPF",
                                 "CONFIG_DEBUG_INFO_BTF",
                                 "CONFIG_BPF_STREAM_PARSER",
                                 "CONFIG_NET_CLS_ACT",
                                 "CONFIG_NET_CLS_BPF",
                                 "CONFIG_NET_SCH_INGRESS",
                                 "CONFIG_INET_DIAG",
                                 "CONFIG_INET_DIAG_DESTROY",
                                 "CONFIG_NETFILTER_XT_TARGET_REDIRECT",
                                 "CONFIG_NF_NAT",
                                 "CONFIG_NETFILTER_XT_MATCH_OWNER",
                                 "CONFIG_NF_TABLES",
                                 "CONFIG_IP_NF_NAT",
                                 "CONFIG_IP6_NF_NAT",
                                 "CONFIG_SECURITY_APPARMOR",
                                 "CONFIG_SECURITY_SELINUX",
                                 "CONFIG_SECURITY_LOCKDOWN_LSM"};

// Collects the document, and what cannot be read.
class Report {
  public:
    template <typename Value>
    void set(const char* key, Result<Value> value) {
        if (value) {
            document_[key] = std::move(*value);
        } else {
            miss(key, value.error().message());
        }
    }
    void miss(const std::string& what, const std::string& why) {
        document_["unavailable"].push_back({{"what", what}, {"why", why}});
    }
    json take() { return std::move(document_); }

  private:
    json document_ = {{"version", kVersion}, {"unavailable", json::array()}};
};

Result<utsname> names_of_kernel() {
    utsname names{};
    if (uname(&names) != 0) {
        return Error::from_errno("uname");
    }
    return names;
}

Result<json> kernel() {
    FSM_ASSIGN(const auto names, names_of_kernel());
    return json{{"release", names.release},
                {"version", names.version},
                {"architecture", names.machine},
                {"btf", access(kBtf, R_OK) == 0}};
}

// Plain or compressed: gzread() reads both.
Result<std::string> read_compressed(const std::string& path) {
    const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
    if (!file) {
        return Error::from_errno("read " + path);
    }
    std::string text(kConfigFile, '\0');
    const int count = gzread(file.get(), text.data(), static_cast<unsigned>(text.size()));
    if (count <= 0) {
        return Error("read " + path + ": it is empty or damaged");
    }
    text.resize(static_cast<std::size_t>(count));
    return text;
}

json chosen_options(const std::string& text) {
    json options = json::object();
    for (const char* option : kOptions) {
        options[option] = "n";
    }
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const auto equals = line.find('=');
        if (equals != std::string::npos && options.contains(line.substr(0, equals))) {
            options[line.substr(0, equals)] = line.substr(equals + 1);
        }
    }
    return options;
}

Result<json> kernel_config(const std::string& proc) {
    FSM_ASSIGN(const auto names, names_of_kernel());
    const std::string root_of_node = proc + "/1/root";
    const std::array<std::string, 2> places = {
        proc + "/config.gz", root_of_node + "/boot/config-" + std::string(names.release)};
    std::string reasons;
    for (const auto& place : places) {
        const auto text = read_compressed(place);
        if (text) {
            return json{{"source", place}, {"options", chosen_options(*text)}};
        }
        reasons += (reasons.empty() ? "" : "; ") + text.error().message();
    }
    return Error(reasons);
}

Result<json> app_armor() {
    const auto enabled = read_file("/sys/module/apparmor/parameters/enabled", kSmall);
    if (!enabled || enabled->substr(0, 1) != "Y") {
        return json{{"enabled", false}};
    }
    FSM_ASSIGN(const auto profile, read_file("/proc/self/attr/current", kSmall));
    return json{{"enabled", true}, {"profile", trimmed(profile)}};
}

Result<json> security_modules() {
    FSM_ASSIGN(const auto text, read_file("/sys/kernel/security/lsm", kSmall));
    return json(trimmed(text));
}

Result<json> bpffs(const std::string& path) {
    struct statfs info {};
    if (statfs(path.c_str(), &info) != 0) {
        return Error::from_errno("look at " + path);
    }
    return json{{"path", path}, {"mounted", info.f_type == BPF_FS_MAGIC}};
}

Result<std::string> cgroup_of(const Config& config) {
    return config.datapath.cgroup.empty() ? find_cgroup2() : config.datapath.cgroup;
}

Result<json> cgroup(const Config& config) {
    FSM_ASSIGN(const auto path, cgroup_of(config));
    json points = json::array();
    if (const auto mounts = read_mounts(config.datapath.proc + "/1/mountinfo"); mounts) {
        for (const Mount& mount : *mounts) {
            if (mount.type == "cgroup2") {
                points.push_back(mount.point);
            }
        }
    }
    return json{{"path", path}, {"onNode", points}};
}

Result<json> programs_beside(const Config& config) {
    FSM_ASSIGN(const auto path, cgroup_of(config));
    if (path.empty()) {
        return Error("there is no cgroup2 file system");
    }
    FSM_ASSIGN(const auto programs, cgroup_programs(path));
    json list = json::array();
    for (const auto& program : programs) {
        list.push_back({{"hook", program.hook}, {"id", program.id}, {"name", program.name}});
    }
    return list;
}

// Of the files in a folder: plugins are programs.
enum class Content : std::uint8_t { none, text };

Result<json> files_in(const std::string& directory, Content content) {
    struct stat info {};
    if (stat(directory.c_str(), &info) != 0) {
        return Error::from_errno("look at " + directory);
    }
    FSM_ASSIGN(auto names, list_directory(directory));
    std::sort(names.begin(), names.end());
    json files = json::array();
    for (const auto& name : names) {
        const std::string path = directory + "/" + name;
        if (lstat(path.c_str(), &info) != 0) {
            continue;  // it was removed in between
        }
        char mode[8];
        snprintf(mode, sizeof(mode), "%04o", info.st_mode & 07777U);
        json file = {{"name", name},
                     {"mode", mode},
                     {"uid", info.st_uid},
                     {"size", info.st_size},
                     {"folder", S_ISDIR(info.st_mode)}};
        // Beside configurations there may be credentials, as Calico's kubeconfig: only these.
        const bool configuration =
            name.ends_with(".conf") || name.ends_with(".conflist") || name.ends_with(".json");
        if (content == Content::text && configuration && !S_ISDIR(info.st_mode)) {
            const auto text = read_file(path, kConfigFile);
            file[text ? "text" : "unreadable"] = text ? *text : text.error().message();
        }
        files.push_back(std::move(file));
    }
    return json{{"path", directory}, {"files", std::move(files)}};
}

}  // namespace

std::string describe_node(const Config& config) {
    Report report;
    // The environment is never changed after the start, so getenv is safe.
    const char* node = std::getenv("NODE_NAME");  // NOLINT(concurrency-mt-unsafe)
    report.set<json>("node", json(node != nullptr ? node : ""));
    report.set("kernel", kernel());
    report.set("kernelConfig", kernel_config(config.datapath.proc));
    report.set("appArmor", app_armor());
    report.set("securityModules", security_modules());
    report.set("bpffs", bpffs(config.datapath.bpffs));
    report.set("cgroup2", cgroup(config));
    report.set("cgroupPrograms", programs_beside(config));
    report.set("cniPlugins", files_in(config.cni.bin_dir, Content::none));
    report.set("cniConfigurations", files_in(config.cni.config_dir, Content::text));
    return report.take().dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace fsm
