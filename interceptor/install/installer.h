// Installer: keeps the plugin's binary and our entry in the chain of CNI plugins where container
// runtimes find them, whatever other installers do.
//
// A failure is a problem in the status and is tried again; nothing here ends the interceptor.
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
    // `recheck`: the longest time that a change can go unnoticed when inotify does not tell of it.
    explicit Installer(InstallOptions options,
                       std::chrono::milliseconds recheck = std::chrono::seconds(30));

    // Where our entry stands, and since when at least, by CLOCK_BOOTTIME: what has started since
    // was started with it, if the runtime uses that file.
    struct Place {
        std::string file;
        std::chrono::nanoseconds since;
    };
    // Called with every new place, from the watching thread; nullopt: the entry is nowhere. Before
    // start(), or not at all.
    void on_place(std::function<void(const std::optional<Place>&)> told) {
        place_told_ = std::move(told);
    }

    // Stops; what is installed stays.
    ~Installer();
    Installer(const Installer&) = delete;
    Installer& operator=(const Installer&) = delete;

    // Installs before it returns, and watches from then on. Once the interceptor serves: pods that
    // a runtime hands to the plugin from now on wait for it. Nothing happens when the options say
    // so.
    void start();

    // Why runtimes do not call the plugin yet: the binary and our entry have not both been in place
    // since the start. Once they have been, what happens to them later is a problem only.
    Result<void> installed() const;
    // Each has a key of its own, which stays while its cause does.
    std::vector<Problem> problems() const;

  private:
    class Watcher;
    // What one look at everything has found.
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

// Takes the entry out of the chain, so that no new pod needs us.
Result<void> remove_from_chain(const InstallOptions& options);
// The last thing to go: a chain with our entry and without the binary starts no pod.
Result<void> remove_binary(const InstallOptions& options);

}  // namespace fsm
