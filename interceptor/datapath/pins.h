// The paths of the data path's pins, and operations on the bpffs.
//
//   <bpffs>/<name>/maps/<map>
//                  links/<program>         the cgroup links
//                  pods/<cookie in hex>/   sk_lookup, and notes about the pod (below)
//                  retired/<map id>        socket maps of an earlier layout, until they are empty
//
// A bpffs cannot contain ordinary files, but notes about a pod must be removed with its pins. So
// they are the names of empty directories: "netns-<inode>", "tc-<ifindex>-own".
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
    // the current set.
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

    // Completes an earlier process's replacement of the maps.
    Result<void> recover() const;
    Result<void> commit_next_maps() const;

  private:
    std::string root_;
};

// Unlinks everything below `path`, and `path`; succeeds if it does not exist.
Result<void> remove_tree(const std::string& path);
Result<void> make_pin_directory(const std::string& path);
Result<void> pin(int fd, const std::string& path);
Result<void> rename_pin(const std::string& from, const std::string& to);
// False: there was none.
Result<bool> unpin(const std::string& path);

// Only one process may change an instance at a time. Held while the object exists; the kernel
// releases it when the process ends.
class DatapathLock {
  public:
    static Result<DatapathLock> acquire(const std::string& run_directory, const std::string& name);
    // Call it last in uninstall: it also removes the lock file.
    Result<void> remove();

  private:
    DatapathLock(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    Fd fd_;
    std::string path_;
};

}  // namespace fsm
