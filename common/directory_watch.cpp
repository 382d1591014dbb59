#include "common/directory_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

namespace fsm {

namespace {

// A ConfigMap mount replaces the link ..data by rename, which inotify reports as a move into the
// directory.
constexpr std::uint32_t kChanges = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                   IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

// Changes come in bursts (write, rename, link): after the first one, wait this long for the rest.
constexpr int kSettleMilliseconds = 20;

}  // namespace

Result<DirectoryWatch> DirectoryWatch::make(const std::string& directory) {
    Fd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!inotify) {
        return Error::from_errno("watch " + directory + ": inotify_init1");
    }
    Fd wakes(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!wakes) {
        return Error::from_errno("watch " + directory + ": eventfd");
    }
    DirectoryWatch watch(directory, std::move(inotify), std::move(wakes));
    watch.watch_again(watch.first_);
    return watch;
}

// Watches the path, not the inode: a directory that was replaced is watched again. If that fails
// (the directory is gone, or the limit of watches is reached), the caller still has its rescans.
DirectoryWatch::Watching DirectoryWatch::watch_again(Watched& watched) {
    if (watched.directory.empty()) {
        return Watching::same;
    }
    const int watch = ::inotify_add_watch(inotify_.get(), watched.directory.c_str(), kChanges);
    if (watch == watched.watch) {
        return Watching::same;
    }
    forget(watched);
    watched.watch = watch;
    return watch >= 0 ? Watching::another : Watching::same;
}

void DirectoryWatch::forget(Watched& watched) {
    if (watched.watch >= 0) {
        ::inotify_rm_watch(inotify_.get(), watched.watch);
    }
    watched.watch = -1;
}

void DirectoryWatch::also(const std::string& directory) {
    if (directory == second_.directory) {
        return;
    }
    forget(second_);
    second_.directory = directory;
}

// Returns whether there were events.
bool DirectoryWatch::drain() {
    alignas(inotify_event) std::array<char, 4096> buffer;
    bool any = false;
    while (::read(inotify_.get(), buffer.data(), buffer.size()) > 0) {
        any = true;
    }
    return any;
}

void DirectoryWatch::wait(std::chrono::milliseconds limit) {
    const bool first_is_new = watch_again(first_) == Watching::another;
    if (watch_again(second_) == Watching::another || first_is_new) {
        return;  // changes before the watch existed are unknown
    }
    std::array<pollfd, 2> ready = {{{inotify_.get(), POLLIN, 0}, {wakes_.get(), POLLIN, 0}}};
    const auto milliseconds = std::clamp<std::int64_t>(limit.count(), 1, 3'600'000);
    ::poll(ready.data(), ready.size(), static_cast<int>(milliseconds));
    if (drain()) {
        ready[0].events = 0;
        ::poll(ready.data(), ready.size(), kSettleMilliseconds);
        drain();
    }
    std::uint64_t count = 0;
    [[maybe_unused]] const auto taken = ::read(wakes_.get(), &count, sizeof(count));
}

void DirectoryWatch::wake() {
    // The write can fail only if the counter is full; then the descriptor is already readable.
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wakes_.get(), &one, sizeof(one));
}

}  // namespace fsm
