#include "interceptor/sync/running_pods.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <tuple>

#include "common/file.h"

namespace fsm {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kProcFileLimit = 65536;
constexpr std::size_t kShortestUid = 8;
constexpr std::string_view kScope = ".scope";
constexpr std::string_view kSlice = ".slice";

bool is_uid(std::string_view text) {
    return text.size() >= kShortestUid &&
           text.find_first_not_of("0123456789abcdefABCDEF-") == std::string_view::npos;
}

// "pod<uid>", or "kubepods-burstable-pod<uid with _ for ->.slice" with any prefix.
std::optional<std::string> uid_in(std::string_view component) {
    constexpr std::string_view kPod = "pod";
    constexpr std::string_view kNestedPod = "-pod";
    std::string uid;
    if (component.ends_with(kSlice)) {
        component.remove_suffix(kSlice.size());
        const auto start = component.rfind(kNestedPod);
        if (start == std::string_view::npos) {
            return std::nullopt;
        }
        uid = component.substr(start + kNestedPod.size());
        std::replace(uid.begin(), uid.end(), '_', '-');
    } else if (component.starts_with(kPod)) {
        uid = component.substr(kPod.size());
    }
    return is_uid(uid) ? std::optional(uid) : std::nullopt;
}

// "cri-containerd-<id>.scope", "crio-<id>", "<id>".
std::string container_in(std::string_view component) {
    if (component.ends_with(kScope)) {
        component.remove_suffix(kScope.size());
    }
    return std::string(component.substr(component.rfind('-') + 1));
}

// The pod's namespace is that of its first process: the nearest to the pod's cgroup (a container
// may run containers of its own), then the oldest (a process may have left the namespace).
struct Candidate {
    std::size_t depth = 0;
    std::uint64_t started = 0;
    fs::path process;
    std::string container_id;
    NetnsIdentity netns;

    bool is_before(const Candidate& other) const {
        return std::tie(depth, started) < std::tie(other.depth, other.started);
    }
};

bool is_pid(const std::string& name) {
    return name.find_first_not_of("0123456789") == std::string::npos;
}

// Field 22 of /proc/<pid>/stat; the name before it may hold anything.
std::optional<std::uint64_t> start_time_of(const fs::path& process) {
    constexpr int kFieldsAfterName = 20;
    const auto text = read_file((process / "stat").string(), kProcFileLimit);
    if (!text) {
        return std::nullopt;
    }
    std::size_t position = text->rfind(')');
    for (int field = 0; field < kFieldsAfterName && position != std::string::npos; ++field) {
        position = text->find(' ', position + 1);
    }
    if (position == std::string::npos) {
        return std::nullopt;
    }
    std::uint64_t ticks = 0;
    std::from_chars(text->data() + position + 1, text->data() + text->size(), ticks);
    return ticks;
}

// nullopt: not a process of one of the pods, or it has just ended.
std::optional<std::pair<std::string, Candidate>> candidate_of(
    const fs::path& process, const std::set<std::string>& uids,
    const std::vector<NetnsIdentity>& never) {
    const auto cgroup = read_file((process / "cgroup").string(), kProcFileLimit);
    const auto place = cgroup ? place_of_process(*cgroup) : std::nullopt;
    if (!place || uids.count(place->pod_uid) == 0) {
        return std::nullopt;
    }
    const auto netns = netns_identity_at((process / "ns/net").string());
    const auto started = start_time_of(process);
    if (!netns || !started || std::find(never.begin(), never.end(), *netns) != never.end()) {
        return std::nullopt;
    }
    return std::pair(place->pod_uid,
                     Candidate{place->depth, *started, process, place->container_id, *netns});
}

std::chrono::nanoseconds time_of(std::uint64_t ticks) {
    static const std::uint64_t kTicksPerSecond =
        static_cast<std::uint64_t>(std::max(1L, sysconf(_SC_CLK_TCK)));
    return std::chrono::seconds(ticks / kTicksPerSecond) +
           std::chrono::nanoseconds(ticks % kTicksPerSecond * 1'000'000'000U / kTicksPerSecond);
}

// A process may end before its pod; a file of the runtime exists as long as the pod.
std::string lasting_path(const HostPaths& paths, const Candidate& candidate) {
    for (const char* folder : {"/netns", "/docker/netns"}) {
        std::error_code failure;
        for (fs::directory_iterator entry(paths.var_run + folder, failure), end;
             !failure && entry != end; entry.increment(failure)) {
            if (netns_identity_at(entry->path().string()) == candidate.netns) {
                return entry->path().string();
            }
        }
    }
    return (candidate.process / "ns/net").string();
}

}  // namespace

std::optional<NetnsIdentity> netns_identity_at(const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) {
        return std::nullopt;
    }
    return NetnsIdentity{info.st_dev, info.st_ino};
}

std::optional<CgroupPlace> place_in_cgroup(std::string_view path) {
    std::optional<CgroupPlace> place;
    while (!path.empty()) {
        // runc writes "<slice>:<prefix>:<id>" when it is given systemd's form without systemd.
        const auto end = path.find_first_of("/:");
        const auto component = path.substr(0, end);
        path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
        if (component.empty()) {
            continue;
        }
        if (auto uid = uid_in(component)) {
            place = CgroupPlace{std::move(*uid), "", 0};
        } else if (place && ++place->depth == 1) {
            place->container_id = container_in(component);
        }
    }
    return place;
}

std::optional<CgroupPlace> place_of_process(std::string_view cgroup_file) {
    while (!cgroup_file.empty()) {
        const auto end = cgroup_file.find('\n');
        const auto line = cgroup_file.substr(0, end);
        cgroup_file.remove_prefix(end == std::string_view::npos ? cgroup_file.size() : end + 1);
        // "<hierarchy>:<controllers>:<path>"
        const auto controllers = line.find(':');
        const auto path =
            controllers == std::string_view::npos ? controllers : line.find(':', controllers + 1);
        if (path == std::string_view::npos) {
            continue;
        }
        if (auto place = place_in_cgroup(line.substr(path + 1))) {
            return place;
        }
    }
    return std::nullopt;
}

Result<std::map<std::string, RunningPod>> find_running_pods(
    const HostPaths& paths, const std::set<std::string>& uids,
    const std::vector<NetnsIdentity>& never) {
    std::error_code failure;
    fs::directory_iterator entry(paths.proc, failure);
    if (failure) {
        return Error("list the processes in " + paths.proc + ": " + failure.message(),
                     failure.value());
    }
    std::map<std::string, Candidate> first;
    for (const fs::directory_iterator end; !failure && entry != end; entry.increment(failure)) {
        if (!is_pid(entry->path().filename().string())) {
            continue;
        }
        auto candidate = candidate_of(entry->path(), uids, never);
        if (!candidate) {
            continue;
        }
        const auto known = first.find(candidate->first);
        if (known == first.end() || candidate->second.is_before(known->second)) {
            first.insert_or_assign(std::move(candidate->first), std::move(candidate->second));
        }
    }
    std::map<std::string, RunningPod> pods;
    for (const auto& [uid, candidate] : first) {
        pods[uid] = {candidate.container_id, candidate.netns, lasting_path(paths, candidate),
                     time_of(candidate.started)};
    }
    return pods;
}

}  // namespace fsm
