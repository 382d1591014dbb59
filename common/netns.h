// Network namespaces: what they are called, and running code inside one.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "common/fd.h"
#include "common/result.h"

namespace fsm {

// The inode of the namespace file: tells whether a path still leads to the same namespace without
// holding a descriptor, which would keep the namespace alive.
struct NetnsIdentity {
    dev_t device = 0;
    ino_t inode = 0;

    bool operator==(const NetnsIdentity&) const = default;
};

class Netns {
  public:
    // Opens a path such as /run/netns/x or /proc/1/ns/net. Anything that is not a network
    // namespace (NS_GET_NSTYPE, Linux 4.11) is refused.
    static Result<Netns> open(const std::string& path);
    // The namespace of the calling thread.
    static Result<Netns> current();

    // Another handle of the same namespace; either may be destroyed first.
    Result<Netns> duplicate() const;

    const Fd& fd() const { return fd_; }
    NetnsIdentity identity() const { return identity_; }
    // As it was opened. It may lead elsewhere, or nowhere, by now.
    const std::string& path() const { return path_; }

    // Takes the calling thread into the namespace, runs `work`, and takes it back, also when `work`
    // throws. Other threads stay where they are. Calls may be nested. An error of entering is
    // returned; `work` hands its own results out through what it captures. A thread that cannot
    // come back ends the process.
    Result<void> run(const std::function<void()>& work) const;

    // The kernel's number for the namespace (SO_NETNS_COOKIE, Linux 5.14): never reused while the
    // kernel runs, and what the BPF programs see from bpf_get_netns_cookie(). An older kernel has
    // none, and no BPF programs of ours either: there it is made from the inode, which is unique
    // among the namespaces that are alive.
    Result<std::uint64_t> cookie() const;
    // The same for a thread that is inside already.
    Result<std::uint64_t> cookie_from_inside() const;

  private:
    Netns(Fd fd, NetnsIdentity identity, std::string path)
        : fd_(std::move(fd)), identity_(identity), path_(std::move(path)) {}

    Fd fd_;
    NetnsIdentity identity_;
    std::string path_;
};

}  // namespace fsm
