// DirectoryWatch: waits for changes of a directory's files.
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

    // Waits until something may have changed, for at most `limit`, or until wake(). A burst of
    // changes ends the wait once. A directory that was replaced by another of its name is
    // followed.
    void wait(std::chrono::milliseconds limit);
    void wake();

  private:
    enum class Watching : std::uint8_t { same, another };

    DirectoryWatch(std::string directory, Fd inotify, Fd wakes)
        : directory_(std::move(directory)),
          inotify_(std::move(inotify)),
          wakes_(std::move(wakes)) {}

    Watching watch_again();
    bool drain();

    std::string directory_;
    Fd inotify_;
    Fd wakes_;
    int watch_ = -1;
};

}  // namespace fsm
