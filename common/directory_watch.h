// DirectoryWatch: waits for changes of the files in a directory, and optionally in a second one.
#pragma once

#include <chrono>
#include <string>

#include "common/fd.h"
#include "common/result.h"

namespace fsm {

// Threads: wait() from one thread; wake() from any.
class DirectoryWatch {
  public:
    static Result<DirectoryWatch> make(const std::string& directory);

    // Watches a second directory, in place of an earlier second one; empty: none. It need not exist
    // yet. Call it from the thread that waits.
    void also(const std::string& directory);

    // Waits until something may have changed, for at most `limit`, or until wake(). A burst of
    // changes returns once. If the directory is replaced by another one of the same name, the new
    // one is watched.
    void wait(std::chrono::milliseconds limit);
    void wake();

  private:
    enum class Watching : std::uint8_t { same, another };

    struct Watched {
        std::string directory;
        int watch = -1;
    };

    DirectoryWatch(std::string directory, Fd inotify, Fd wakes)
        : inotify_(std::move(inotify)), wakes_(std::move(wakes)), first_{std::move(directory)} {}

    Watching watch_again(Watched& watched);
    void forget(Watched& watched);
    bool drain();

    Fd inotify_;
    Fd wakes_;
    Watched first_;
    Watched second_;
};

}  // namespace fsm
