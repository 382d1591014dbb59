#include "interceptor/sync/container_cgroups.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "interceptor/log/log.h"
#include "interceptor/sync/running_pods.h"

namespace fsm {

namespace {

namespace fs = std::filesystem;

constexpr ino_t kRootInode = 1;
constexpr std::uint32_t kDeepest = 32;
// A running container has a cgroup; if pods are not in cgroup2, none is found.
constexpr int kSearches = 3;
// CRI-O's monitor of a container, beside it: "crio-conmon-<id>.scope".
constexpr std::string_view kMonitor = "conmon";

// Descends to the cgroups of containers, not into them.
class Search {
  public:
    Search(std::uint32_t level, const std::set<std::string>& container_ids)
        : root_level_(level), wanted_(container_ids) {}

    void visit(const fs::path& directory, const std::string& below_root, std::uint32_t depth) {
        std::error_code failure;
        for (fs::directory_iterator entry(directory, failure), end; !failure && entry != end;
             entry.increment(failure)) {
            std::error_code gone;
            if (entry->is_directory(gone) && !entry->is_symlink(gone) && depth < kDeepest) {
                const std::string name = entry->path().filename().string();
                look_at(entry->path(), name, below_root + "/" + name, depth + 1);
            }
        }
    }

    std::map<std::string, CgroupOfContainer> found;

  private:
    void look_at(const fs::path& directory, const std::string& name, const std::string& below_root,
                 std::uint32_t depth) {
        const auto place = place_in_cgroup(below_root);
        if (!place || place->depth == 0) {
            return visit(directory, below_root, depth);
        }
        struct stat info {};
        if (wanted_.contains(place->container_id) && name.find(kMonitor) == std::string::npos &&
            stat(directory.c_str(), &info) == 0) {
            // On 64-bit kernels the inode number is the cgroup's id.
            found[place->container_id] = {info.st_ino, root_level_ + depth};
        }
    }

    const std::uint32_t root_level_;
    const std::set<std::string>& wanted_;
};

OtherContainers other_containers_of(const std::set<std::string>& wanted,
                                    const std::map<std::string, CgroupOfContainer>& found) {
    OtherContainers others;
    for (const auto& id : wanted) {
        const auto cgroup = found.find(id);
        if (cgroup == found.end() ||
            (!others.cgroups.empty() && cgroup->second.level != others.level)) {
            continue;
        }
        others.level = cgroup->second.level;
        others.cgroups.insert(cgroup->second.id);
    }
    return others;
}

}  // namespace

std::set<std::string> containers_beside(const std::string& sidecar, const Pod& pod) {
    std::set<std::string> others;
    for (const auto& [name, id] : pod.running_containers) {
        const auto is_init = [&name = name](const Container& container) {
            return container.name == name && container.kind == Container::Kind::init;
        };
        if (name != sidecar &&
            std::none_of(pod.containers.begin(), pod.containers.end(), is_init)) {
            others.insert(id);
        }
    }
    return others;
}

Result<std::uint32_t> level_of_cgroup(const std::string& directory) {
    struct stat info {};
    if (stat(directory.c_str(), &info) != 0) {
        return Error::from_errno("look at cgroup " + directory);
    }
    const dev_t device = info.st_dev;
    std::string path = directory;
    for (std::uint32_t level = 0; level < kDeepest; ++level) {
        if (info.st_ino == kRootInode) {
            return level;
        }
        path += "/..";
        if (stat(path.c_str(), &info) != 0 || info.st_dev != device) {
            break;
        }
    }
    return Error("the root of the cgroup hierarchy cannot be seen from " + directory, ENOENT);
}

std::map<std::string, CgroupOfContainer> find_container_cgroups(
    const std::string& directory, std::uint32_t level, const std::set<std::string>& container_ids) {
    Search search(level, container_ids);
    search.visit(directory, "", 0);
    return std::move(search.found);
}

ContainerCgroups::ContainerCgroups(ContainerRegistry& datapath, std::string directory)
    : datapath_(datapath), directory_(std::move(directory)) {
    if (directory_.empty()) {
        return;
    }
    const auto level = level_of_cgroup(directory_);
    if (level) {
        level_ = *level;
        return;
    }
    log::info("sidecars are known by their uid alone: {}", level.error().message());
    directory_.clear();
}

void ContainerCgroups::set_wanted(std::uint64_t netns_cookie, std::set<std::string> others) {
    const std::lock_guard guard(mutex_);
    auto& pod = pods_[netns_cookie];
    if (pod.wanted == others) {
        return;
    }
    pod.wanted = std::move(others);
    std::erase_if(pod.found, [&](const auto& entry) { return !pod.wanted.contains(entry.first); });
    pod.searches = 0;
}

Result<void> ContainerCgroups::read_stored() {
    if (!told_) {
        FSM_ASSIGN(told_, datapath_.other_containers());
    }
    return {};
}

void ContainerCgroups::search() {
    std::set<std::string> missing;
    for (auto& [cookie, pod] : pods_) {
        if (pod.found.size() == pod.wanted.size() || pod.searches == kSearches) {
            continue;
        }
        ++pod.searches;
        missing.insert(pod.wanted.begin(), pod.wanted.end());
    }
    if (missing.empty()) {
        return;
    }
    const auto found = find_container_cgroups(directory_, level_, missing);
    for (auto& [cookie, pod] : pods_) {
        for (const auto& id : pod.wanted) {
            if (const auto cgroup = found.find(id); cgroup != found.end()) {
                pod.found[id] = cgroup->second;
            }
        }
    }
}

Result<void> ContainerCgroups::tell(std::uint64_t netns_cookie, const OtherContainers& now) {
    OtherContainers& before = (*told_)[netns_cookie];
    if (before == now) {
        return {};
    }
    FSM_TRY(datapath_.set_other_containers(netns_cookie, before, now));
    before = now;
    return {};
}

Result<void> ContainerCgroups::refresh(const std::function<bool(std::uint64_t)>& is_attached) {
    const std::lock_guard guard(mutex_);
    if (directory_.empty()) {
        return {};
    }
    FSM_TRY(read_stored());
    std::erase_if(pods_, [&](const auto& entry) { return !is_attached(entry.first); });
    search();
    std::optional<Error> failure;
    std::vector<std::uint64_t> gone;
    for (const auto& [cookie, before] : *told_) {
        if (!is_attached(cookie)) {
            gone.push_back(cookie);
        }
    }
    for (const std::uint64_t cookie : gone) {
        if (auto told = tell(cookie, {}); told) {
            told_->erase(cookie);
        } else {
            failure = std::move(told.error());
        }
    }
    for (const auto& [cookie, pod] : pods_) {
        if (auto told = tell(cookie, other_containers_of(pod.wanted, pod.found)); !told) {
            failure = std::move(told.error());
        }
    }
    return failure ? Result<void>(std::move(*failure)) : Result<void>();
}

}  // namespace fsm
