#include "interceptor/install/installer.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "common/directory_watch.h"
#include "common/guarded.h"
#include "interceptor/install/chain.h"
#include "interceptor/install/chain_text.h"
#include "interceptor/install/plugin_binary.h"
#include "interceptor/install/reinsertion_pace.h"
#include "interceptor/log/log.h"

namespace fsm {

namespace {

using Clock = ReinsertionPace::Clock;

// The subjects of the problems.
constexpr const char* kBinary = "plugin-binary";
constexpr const char* kEntry = "chain-entry";
constexpr const char* kConflict = "chain-conflict";
constexpr const char* kPass = "chain-pass";

// Another program is writing the file, or it does not exist yet.
constexpr std::chrono::milliseconds kSoon{500};

std::string describe(const ReinsertionPace::Conflict& conflict, const ConfigFiles& files) {
    return "another program has removed fsm-cni from " + files.path_of(conflict.file) + " " +
           std::to_string(conflict.times) + " times; it is restored at most every " +
           std::to_string(conflict.pause.count()) +
           " s, and pods that start meanwhile are enrolled after their start. Configure that "
           "program not to remove other plugins (Cilium: cni.exclusive=false)";
}

std::chrono::nanoseconds time_since_boot() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

// The state of the watching thread, and the thread.
class Installer::Watcher {
  public:
    // Called after every pass.
    using Publish = std::function<void(Pass)>;

    Watcher(InstallOptions options, std::chrono::milliseconds recheck, Publish publish)
        : options_(std::move(options)),
          recheck_(recheck),
          publish_(std::move(publish)),
          files_(options_.config_dir),
          entry_(chain_entry(options_)) {
        auto watch = DirectoryWatch::make(options_.config_dir);
        if (watch) {
            watch_.emplace(std::move(*watch));
        } else {
            log::warn("{}: changes are noticed every {} ms only", watch.error().message(),
                      recheck_.count());
        }
        auto pause = guarded_pass();
        thread_ = std::thread([this, pause] { loop(pause); });
    }

    ~Watcher() {
        stopping_ = true;
        if (watch_) {
            watch_->wake();
        }
        thread_.join();
    }
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

  private:
    void loop(std::chrono::milliseconds pause) {
        while (!stopping_) {
            wait(pause);
            if (!stopping_) {
                pause = guarded_pass();
            }
        }
    }

    void wait(std::chrono::milliseconds pause) {
        if (watch_) {
            watch_->wait(pause);
            return;
        }
        const auto until = Clock::now() + pause;
        while (!stopping_ && Clock::now() < until) {
            std::this_thread::sleep_for(kSoon);
        }
    }

    // An unexpected error does not end the watch: the next pass comes all the same.
    std::chrono::milliseconds guarded_pass() {
        auto pause = recheck_;
        const auto passed =
            guarded("keep fsm-cni in the chain of CNI plugins", [&] { pause = pass(); });
        if (!passed) {
            Pass failed;
            failed.problems.push_back({kPass, passed.error().message() + "; tried again"});
            publish_(std::move(failed));
        }
        return pause;
    }

    // One look at everything; returns how long to wait for the next one when nothing happens.
    std::chrono::milliseconds pass() {
        const auto now = Clock::now();
        if (now < pace_.not_before()) {
            return remaining(now);
        }
        Pass found;
        auto pause = recheck_;
        if (install_binary(found.problems)) {
            pause = ensure_chain(found);
        }
        if (const auto conflict = pace_.conflict(now)) {
            found.problems.push_back({kConflict, describe(*conflict, files_)});
        }
        publish_(std::move(found));
        return pause;
    }

    std::chrono::milliseconds remaining(Clock::time_point now) const {
        return std::chrono::ceil<std::chrono::milliseconds>(pace_.not_before() - now);
    }

    // The chain never names a binary that is not there.
    bool install_binary(std::vector<Problem>& problems) {
        const auto copied = install_plugin(options_.plugin, options_.bin_dir);
        if (!copied) {
            problems.push_back({kBinary, "install the CNI plugin: " + copied.error().message()});
            return false;
        }
        if (*copied) {
            log::info("CNI plugin {} copied to {}", options_.plugin, options_.bin_dir);
        }
        return true;
    }

    std::chrono::milliseconds ensure_chain(Pass& found) {
        std::vector<Problem>& problems = found.problems;
        const auto state = insert_entry(files_, entry_, {options_.configuration});
        if (!state) {
            if (state.error().errno_value() != ESTALE) {
                problems.push_back({kEntry, "add fsm-cni to the chain of CNI plugins: " +
                                                state.error().message()});
            }
            return kSoon;
        }
        problems.insert(problems.end(), state->problems.begin(), state->problems.end());
        if (state->file.empty()) {
            problems.push_back({kEntry, describe_absence()});
            return recheck_;
        }
        if (watch_) {
            watch_->also(state->folder.empty() ? "" : files_.path_of(state->folder));
        }
        found.in_chain = true;
        found.place = place_of(*state);
        const auto now = Clock::now();
        tell(*state, state->inserted ? pace_.record_inserted(state->file, now)
                                     : pace_.record_present(state->file, now));
        return now < pace_.not_before() ? remaining(now) : recheck_;
    }

    std::string describe_absence() const {
        if (options_.configuration.empty()) {
            return "no CNI configuration in " + options_.config_dir +
                   " yet: fsm-cni is added as soon as the cluster's network has one";
        }
        return "no CNI configuration " + options_.configuration + " in " + options_.config_dir +
               ", neither a file nor a network of that name: fsm-cni is added as soon as there is "
               "one. It is what cni.configuration names";
    }

    // The time at which the entry was put in; if it was there at the start, that of the first look.
    std::optional<Place> place_of(const ChainState& state) {
        const std::string path = files_.path_of(state.file);
        if (state.inserted || !place_ || place_->file != path) {
            place_ = Place{path, time_since_boot()};
        }
        return place_;
    }

    void tell(const ChainState& state, unsigned lost) {
        const std::string path = files_.path_of(state.file);
        if (state.inserted && lost > 0) {
            log::warn(
                "another program removed fsm-cni from the chain in {} ({} times so far): restored",
                path, lost);
        } else if (state.inserted) {
            log::info("fsm-cni added to the chain of CNI plugins in {}", path);
        }
    }

    const InstallOptions options_;
    const std::chrono::milliseconds recheck_;
    const Publish publish_;
    const ConfigFiles files_;
    const std::string entry_;
    ReinsertionPace pace_;
    std::optional<Place> place_;
    std::optional<DirectoryWatch> watch_;
    std::atomic<bool> stopping_ = false;
    std::thread thread_;
};

Installer::Installer(InstallOptions options, std::chrono::milliseconds recheck)
    : options_(std::move(options)), recheck_(recheck) {}

Installer::~Installer() = default;

void Installer::start() {
    if (!options_.enabled || watcher_) {
        return;
    }
    watcher_ = std::make_unique<Watcher>(options_, recheck_,
                                         [this](Pass pass) { publish(std::move(pass)); });
}

void Installer::publish(Pass pass) {
    if (place_told_) {
        place_told_(pass.place);
    }
    const std::lock_guard guard(mutex_);
    for (const auto& problem : pass.problems) {
        if (std::find(problems_.begin(), problems_.end(), problem) == problems_.end()) {
            log::warn("{}", problem.text);
        }
    }
    was_in_chain_ = was_in_chain_ || pass.in_chain;
    problems_ = std::move(pass.problems);
}

Result<void> Installer::installed() const {
    const std::lock_guard guard(mutex_);
    if (!options_.enabled || was_in_chain_) {
        return {};
    }
    return Error("add fsm-cni to the chain of CNI plugins in " + options_.config_dir + ": " +
                     (problems_.empty() ? "not done yet" : problems_.front().text),
                 EAGAIN);
}

std::vector<Problem> Installer::problems() const {
    const std::lock_guard guard(mutex_);
    return problems_;
}

Result<void> remove_from_chain(const InstallOptions& options) {
    auto removed = remove_entry(ConfigFiles(options.config_dir));
    if (!removed && removed.error().errno_value() == ENOENT) {
        return {};  // no directory, no chain
    }
    return removed;
}

Result<void> remove_binary(const InstallOptions& options) {
    return remove_plugin(options.bin_dir);
}

}  // namespace fsm
