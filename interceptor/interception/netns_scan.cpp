#include "interceptor/interception/netns_scan.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/file.h"
#include "interceptor/interception/mount_table.h"

namespace fsm {
namespace {

class Visitor {
  public:
    explicit Visitor(const std::function<void(const Netns&)>& visit) : visit_(visit) {}

    void offer(const std::string& path) {
        const auto netns = Netns::open(path);
        if (netns && seen_.insert({netns->identity().device, netns->identity().inode}).second) {
            visit_(*netns);
        }
    }

  private:
    const std::function<void(const Netns&)>& visit_;
    std::set<std::pair<dev_t, ino_t>> seen_;
};

bool is_pid(const std::string& name) {
    return std::all_of(name.begin(), name.end(),
                       [](unsigned char digit) { return std::isdigit(digit) != 0; });
}

// The namespace mounts that a process sees; `root` leads to its file system.
void offer_mounted(const std::string& mountinfo, const std::string& root, Visitor& visitor) {
    const auto mounts = read_mounts(mountinfo);
    if (!mounts) {
        return;  // the process has ended, or has no such view
    }
    for (const Mount& mount : *mounts) {
        if (mount.type == "nsfs" && mount.root.starts_with("net:")) {
            visitor.offer(root + mount.point);
        }
    }
}

}  // namespace

Result<void> for_each_netns(const std::string& proc,
                            const std::function<void(const Netns&)>& visit) {
    Visitor visitor(visit);
    offer_mounted("/proc/self/mountinfo", "", visitor);
    // The init process's view is the host's.
    offer_mounted(proc + "/1/mountinfo", proc + "/1/root", visitor);
    FSM_ASSIGN(const std::vector<std::string> names, list_directory(proc));
    for (const std::string& name : names) {
        if (is_pid(name)) {
            std::string path = proc;
            visitor.offer(path.append("/").append(name).append("/ns/net"));
        }
    }
    return {};
}

}  // namespace fsm
