// UnixListener: a listening AF_UNIX socket at a path that only root may connect to.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/fd.h"
#include "common/result.h"
#include "interceptor/api/listener.h"

namespace fsm {

class UnixListener final : public Listener {
  public:
    // Mode 0600 from the start. Replaces the socket file of a process that has ended; a living one
    // is an error that names its pid, and so is a file that is not a socket.
    static Result<UnixListener> open(const std::string& path);
    UnixListener(UnixListener&& other) noexcept = default;
    UnixListener& operator=(UnixListener&&) = delete;
    // Removes the socket file, unless another process has replaced it.
    ~UnixListener() override;

    const Fd& fd() const override { return fd_; }
    // Only root.
    Result<void> admit(const Fd& connection) const override;
    const std::string& path() const { return path_; }

  private:
    UnixListener(Fd fd, std::string path, dev_t device, ino_t inode)
        : fd_(std::move(fd)), path_(std::move(path)), device_(device), inode_(inode) {}

    Fd fd_;
    std::string path_;
    dev_t device_;
    ino_t inode_;
};

// Connects to a Unix socket; blocking, with `timeout_seconds` for each read and write.
Result<Fd> connect_unix(const std::string& path, int timeout_seconds);

// The process at the other end of a connected Unix socket.
struct PeerCredentials {
    pid_t pid = 0;
    uid_t uid = 0;
};
Result<PeerCredentials> peer_of(const Fd& connection);

// Removes the socket file of a process that has ended; succeeds if there is none. An error if a
// process listens on it.
Result<void> remove_stale_socket(const std::string& path);

}  // namespace fsm
