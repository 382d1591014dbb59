// Where the data path's pins are, and operations on the bpffs.
//
//   <bpffs>/<name>/maps/<map>
//                  links/<program>         the cgroup links
//                  pods/<cookie in hex>/   sk_lookup, and what is remembered of the pod (below)
//                  retired/<map id>        socket maps of an earlier layout, until they are empty
//
// A bpffs holds no ordinary files, but what has to be remembered of a pod must live and die with
// its pins. So it is kept as names of empty directories: "netns-<inode>", "tc-<ifindex>-own".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/result.h"

namespace fsm {

class PinTree {
  public:
    PinTree(const std::string& bpffs, const std::string& name) : root_(bpffs + "/" + name) {}

    const std::string& root() const { return root_; }
    std::string maps() const { return root_ + "/maps"; }
    // A new set of maps is pinned in `new`, then becomes `next` by one rename: from then on it is
    // the set that counts.
    std::string new_maps() const { return root_ + "/maps_new"; }
    std::string next_maps() const { return root_ + "/maps_next"; }
    std::string links() const { return root_ + "/links"; }
    std::string link(const std::string& program) const { return links() + "/" + program; }
    std::string pods() const { return root_ + "/pods"; }
    std::string pod(std::uint64_t netns_cookie) const;
    std::string pod_lookup_link(std::uint64_t netns_cookie) const {
        return pod(netns_cookie) + "/sk_lookup";
    }
    std::string retired() const { return root_ + "/retired"; }

    // Finishes what an earlier process began when it replaced the maps.
    Result<void> recover() const;
    Result<void> commit_next_maps() const;

  private:
    std::string root_;
};

// Unlinks everything below `path`, and `path`; nothing there is fine.
Result<void> remove_tree(const std::string& path);
Result<void> make_pin_directory(const std::string& path);
Result<void> pin(int fd, const std::string& path);
Result<void> rename_pin(const std::string& from, const std::string& to);
// False: there was none.
Result<bool> unpin(const std::string& path);

// One process at a time may change an instance. Held while the object lives; the kernel lets go of
// it when the process dies.
class DatapathLock {
  public:
    static Result<DatapathLock> acquire(const std::string& run_directory, const std::string& name);
    // To be called last by uninstall: the lock file goes too.
    Result<void> remove();

  private:
    DatapathLock(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    Fd fd_;
    std::string path_;
};

}  // namespace fsm
