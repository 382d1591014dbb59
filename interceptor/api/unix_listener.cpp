#include "interceptor/api/unix_listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

namespace fsm {

namespace {

constexpr int kBacklog = 256;
constexpr mode_t kSocketMode = 0600;
constexpr int kProbeSeconds = 1;

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        return Error("socket path \"" + path + "\" must have 1 to " +
                         std::to_string(sizeof(address.sun_path) - 1) + " bytes",
                     ENAMETOOLONG);
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

}  // namespace

Result<Fd> connect_unix(const std::string& path, int timeout_seconds) {
    FSM_ASSIGN(const auto address, address_of(path));
    Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) {
        return Error::from_errno("make a Unix socket");
    }
    const timeval timeout{timeout_seconds, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        return Error::from_errno("connect to " + path);
    }
    return fd;
}

Result<PeerCredentials> peer_of(const Fd& connection) {
    ucred credentials{};
    socklen_t length = sizeof(credentials);
    if (getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
        return Error::from_errno("read the peer's credentials");
    }
    return PeerCredentials{credentials.pid, credentials.uid};
}

Result<void> remove_stale_socket(const std::string& path) {
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) {
        if (errno == ENOENT) {
            return {};
        }
        return Error::from_errno("stat " + path);
    }
    if (!S_ISSOCK(info.st_mode)) {
        return Error(path + " exists and is not a socket; move it away", EEXIST);
    }
    const auto connection = connect_unix(path, kProbeSeconds);
    if (connection) {
        const auto peer = peer_of(*connection);
        return Error("another process listens on " + path +
                         (peer ? " (pid " + std::to_string(peer->pid) + ")" : "") +
                         "; stop it first",
                     EADDRINUSE);
    }
    if (connection.error().errno_value() != ECONNREFUSED) {
        return Error("cannot determine whether another process listens on " + path + ": " +
                         connection.error().message(),
                     connection.error().errno_value());
    }
    if (unlink(path.c_str()) != 0 && errno != ENOENT) {
        return Error::from_errno("remove the stale socket " + path);
    }
    return {};
}

Result<UnixListener> UnixListener::open(const std::string& path) {
    FSM_ASSIGN(const auto address, address_of(path));
    FSM_TRY(remove_stale_socket(path));
    Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) {
        return Error::from_errno("make a Unix socket");
    }
    // bind() creates the file with the mode of the socket, so it never has another one.
    if (fchmod(fd.get(), kSocketMode) != 0) {
        return Error::from_errno("restrict the socket to root");
    }
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        return Error::from_errno("bind " + path);
    }
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0 || listen(fd.get(), kBacklog) != 0) {
        return Error::from_errno("listen on " + path);
    }
    return UnixListener(std::move(fd), path, info.st_dev, info.st_ino);
}

Result<void> UnixListener::admit(const Fd& connection) const {
    FSM_ASSIGN(const auto peer, peer_of(connection));
    if (peer.uid != 0) {
        return Error("only root may talk to the interceptor, and the client has uid " +
                         std::to_string(peer.uid),
                     EPERM);
    }
    return {};
}

UnixListener::~UnixListener() {
    struct stat info {};
    if (fd_ && lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ &&
        info.st_ino == inode_) {
        unlink(path_.c_str());
    }
}

}  // namespace fsm
