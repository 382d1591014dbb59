// Network namespaces: handles, identity, and running code inside one.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "common/fd.h"
#include "common/result.h"

namespace fsm {

// The inode of the namespace file: shows whether a path still leads to the same namespace, without
// a descriptor, which would keep the namespace alive.
struct NetnsIdentity {
    dev_t device = 0;
    ino_t inode = 0;

    bool operator==(const NetnsIdentity&) const = default;
};

class Netns {
  public:
    // Opens a path such as /run/netns/x or /proc/1/ns/net. Refuses anything but a network namespace
    // (NS_GET_NSTYPE, Linux 4.11).
    static Result<Netns> open(const std::string& path);
    // The namespace of the calling thread.
    static Result<Netns> current();

    // A second handle of the same namespace; the handles are independent.
    Result<Netns> duplicate() const;

    const Fd& fd() const { return fd_; }
    NetnsIdentity identity() const { return identity_; }
    // The path that was opened. By now it may lead to another namespace or to none.
    const std::string& path() const { return path_; }

    // Moves the calling thread into the namespace, runs `work`, and moves it back, also if `work`
    // throws. Other threads are not moved. Calls may be nested. Returns an error if the namespace
    // cannot be entered; `work` returns its results through captures. If the thread cannot move
    // back, the process ends.
    Result<void> run(const std::function<void()>& work) const;

    // The netns cookie (SO_NETNS_COOKIE, Linux 5.14): never reused while the kernel runs, and the
    // value that bpf_get_netns_cookie() returns in the BPF programs. An older kernel has no cookies
    // and cannot run the programs: there the value is made from the inode, which is unique among
    // living namespaces.
    Result<std::uint64_t> cookie() const;
    // The same for a thread that is already inside.
    Result<std::uint64_t> cookie_from_inside() const;

  private:
    Netns(Fd fd, NetnsIdentity identity, std::string path)
        : fd_(std::move(fd)), identity_(identity), path_(std::move(path)) {}

    Fd fd_;
    NetnsIdentity identity_;
    std::string path_;
};

}  // namespace fsm
