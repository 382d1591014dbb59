#include "common/netns.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace fsm {

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace {

constexpr std::uint64_t kMadeFromInode = std::uint64_t{1} << 63U;

// Returns the calling thread to its original namespace.
class Return {
  public:
    explicit Return(const Fd& home) : home_(home) {}
    Return(const Return&) = delete;
    Return& operator=(const Return&) = delete;
    ~Return() {
        if (setns(home_.get(), CLONE_NEWNET) != 0) {
            // The thread would go on in a pod's namespace instead of the node's. The kernel refuses
            // the return only if it is out of memory, or if `work` dropped the thread's privileges.
            std::perror("fsm: return from a network namespace");
            std::abort();
        }
    }

  private:
    const Fd& home_;
};

}  // namespace

Result<Netns> Netns::open(const std::string& path) {
    // O_NONBLOCK: the open must not block if the path is a FIFO.
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) {
        return Error::from_errno("open network namespace " + path);
    }
    if (ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
        return Error(path + " is not a network namespace", EINVAL);
    }
    struct stat info {};
    if (fstat(fd.get(), &info) != 0) {
        return Error::from_errno("stat network namespace " + path);
    }
    return Netns(std::move(fd), NetnsIdentity{info.st_dev, info.st_ino}, path);
}

Result<Netns> Netns::duplicate() const {
    Fd copy(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy) {
        return Error::from_errno("duplicate the handle of " + path_);
    }
    return Netns(std::move(copy), identity_, path_);
}

Result<Netns> Netns::current() {
    return open("/proc/thread-self/ns/net");
}

Result<void> Netns::run(const std::function<void()>& work) const {
    const Fd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!home) {
        return Error::from_errno("open the thread's own network namespace");
    }
    if (setns(fd_.get(), CLONE_NEWNET) != 0) {
        return Error::from_errno("enter network namespace");
    }
    const Return on_scope_exit(home);
    work();
    return {};
}

Result<std::uint64_t> Netns::cookie() const {
    Result<std::uint64_t> cookie = std::uint64_t{0};
    FSM_TRY(run([&] { cookie = cookie_from_inside(); }));
    return cookie;
}

Result<std::uint64_t> Netns::cookie_from_inside() const {
    std::uint64_t cookie = 0;
    socklen_t length = sizeof(cookie);
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (socket && getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) == 0) {
        return cookie;
    }
    if (errno == ENOPROTOOPT) {
        return kMadeFromInode | identity_.inode;
    }
    return Error::from_errno("read the network namespace's cookie");
}

}  // namespace fsm
