// Installer: keeps the plugin's binary and our chain entry in place for container runtimes, even if
// other installers change the files.
//
// A failure is a problem in the status and is retried; it never ends the interceptor.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/problem.h"
#include "common/result.h"
#include "interceptor/install/install_options.h"

namespace fsm {

// Threads: every function may be called from any thread.
class Installer {
  public:
    // `recheck`: the longest time until a change is noticed if inotify does not report it.
    explicit Installer(InstallOptions options,
                       std::chrono::milliseconds recheck = std::chrono::seconds(30));

    // The place of our entry, and since when at least, by CLOCK_BOOTTIME: if the runtime uses that
    // file, it has called the plugin for every pod started since.
    struct Place {
        std::string file;
        std::chrono::nanoseconds since;
    };
    // Called with each new place, from the watching thread; nullopt: there is no entry. Set before
    // start().
    void on_place(std::function<void(const std::optional<Place>&)> told) {
        place_told_ = std::move(told);
    }

    // Stops the thread; what is installed stays.
    ~Installer();
    Installer(const Installer&) = delete;
    Installer& operator=(const Installer&) = delete;

    // Installs before it returns, and then watches. Call it when the interceptor serves requests,
    // because pods wait for it from then on. Does nothing if the options disable it.
    void start();

    // Why runtimes do not call the plugin yet: binary and entry have not both been in place since
    // the start. After that, a missing one is only a problem.
    Result<void> installed() const;
    // Each has a key of its own, which stays while its cause does.
    std::vector<Problem> problems() const;

  private:
    class Watcher;
    // The result of one pass.
    struct Pass {
        bool in_chain = false;
        std::optional<Place> place;
        std::vector<Problem> problems;
    };
    void publish(Pass pass);

    const InstallOptions options_;
    const std::chrono::milliseconds recheck_;
    mutable std::mutex mutex_;
    bool was_in_chain_ = false;
    std::vector<Problem> problems_;
    std::function<void(const std::optional<Place>&)> place_told_;
    std::unique_ptr<Watcher> watcher_;
};

// Removes the entry from the chain, so that new pods start without the interceptor.
Result<void> remove_from_chain(const InstallOptions& options);
// The last step: a chain with our entry and without the binary starts no pod.
Result<void> remove_binary(const InstallOptions& options);

}  // namespace fsm
