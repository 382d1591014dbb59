#include "interceptor/pod/manifest_directory.h"

#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "common/directory_watch.h"
#include "common/guarded.h"
#include "common/text.h"
#include "interceptor/pod/manifest_files.h"

namespace fsm {

class ManifestDirectory::Implementation {
  public:
    Implementation(std::string directory, std::chrono::milliseconds rescan)
        : directory_(std::move(directory)), rescan_(rescan), files_(directory_) {}
    ~Implementation();
    Implementation(const Implementation&) = delete;
    Implementation& operator=(const Implementation&) = delete;

    Result<void> load();
    Result<void> watch(std::function<void(const PodName&)> changed);
    Result<FoundPod> find(const PodName& name);
    const std::string& directory() const { return directory_; }
    std::shared_ptr<const ManifestSnapshot> snapshot() const;
    std::vector<Problem> problems() const;

  private:
    void scan();
    void publish(ManifestSnapshot next);
    void watch_until_stopped();
    void notify_changes();

    const std::string directory_;
    const std::chrono::milliseconds rescan_;

    std::mutex scanning_;  // one scan at a time
    ManifestFiles files_;  // under scanning_

    mutable std::mutex mutex_;  // the members below; never held while scanning or calling out
    std::shared_ptr<const ManifestSnapshot> snapshot_ = std::make_shared<ManifestSnapshot>();
    std::set<PodName> unreported_;  // changes not yet passed to the callback
    Result<void> scanned_;          // the thread's last result

    std::function<void(const PodName&)> changed_;  // set before thread_ starts
    std::optional<DirectoryWatch> watch_;          // set before thread_ starts
    std::atomic<bool> stopping_ = false;
    std::thread thread_;
};

ManifestDirectory::Implementation::~Implementation() {
    if (thread_.joinable()) {
        stopping_ = true;
        watch_->wake();
        thread_.join();
    }
}

std::shared_ptr<const ManifestSnapshot> ManifestDirectory::Implementation::snapshot() const {
    const std::lock_guard lock(mutex_);
    return snapshot_;
}

std::vector<Problem> ManifestDirectory::Implementation::problems() const {
    const std::lock_guard lock(mutex_);
    auto problems = snapshot_->problems;
    if (!scanned_) {
        problems.push_back({"scan", scanned_.error().message() + "; tried again"});
    }
    return problems;
}

// The first load: a directory that cannot be read is the caller's error, and files that are being
// written get a moment to become complete.
Result<void> ManifestDirectory::Implementation::load() {
    FSM_TRY(files_.check());
    constexpr int kAttempts = 20;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        scan();
        if (!snapshot()->unsettled) {
            break;
        }
        std::this_thread::sleep_for(ManifestFiles::kSettleTime);
    }
    return {};
}

void ManifestDirectory::Implementation::scan() {
    const std::lock_guard lock(scanning_);
    publish(files_.scan());
}

void ManifestDirectory::Implementation::publish(ManifestSnapshot next) {
    const std::lock_guard lock(mutex_);
    for (auto& [name, pod] : next.pods) {
        const auto before = snapshot_->pods.find(name);
        if (before != snapshot_->pods.end()) {
            pod.continue_from(before->second);
        }
        if (before == snapshot_->pods.end() || before->second != pod) {
            unreported_.insert(name);
        }
    }
    for (const auto& [name, pod] : snapshot_->pods) {
        if (next.pods.count(name) == 0) {
            unreported_.insert(name);
        }
    }
    snapshot_ = std::make_shared<const ManifestSnapshot>(std::move(next));
}

Result<void> ManifestDirectory::Implementation::watch(std::function<void(const PodName&)> changed) {
    if (thread_.joinable()) {
        return Error("watch " + directory_ + ": it is watched already", EALREADY);
    }
    FSM_ASSIGN(watch_, DirectoryWatch::make(directory_));
    changed_ = std::move(changed);
    {
        const std::lock_guard lock(mutex_);
        unreported_.clear();
    }
    thread_ = std::thread([this] { watch_until_stopped(); });
    return {};
}

void ManifestDirectory::Implementation::watch_until_stopped() {
    pthread_setname_np(pthread_self(), "fsm-manifests");
    while (!stopping_) {
        auto scanned = guarded("follow the manifests in " + directory_, [&] {
            scan();
            notify_changes();
        });
        {
            const std::lock_guard lock(mutex_);
            scanned_ = std::move(scanned);
        }
        watch_->wait(snapshot()->unsettled ? std::min(ManifestFiles::kSettleTime, rescan_)
                                           : rescan_);
    }
}

void ManifestDirectory::Implementation::notify_changes() {
    std::set<PodName> changes;
    {
        const std::lock_guard lock(mutex_);
        changes.swap(unreported_);
    }
    for (const PodName& name : changes) {
        if (stopping_) {
            return;
        }
        changed_(name);
    }
}

namespace {

// The pod of that name; with an empty namespace, the only one of that name in any namespace.
Result<FoundPod> lookup(const ManifestSnapshot& snapshot, const PodName& name) {
    if (!name.pod_namespace.empty()) {
        const auto found = snapshot.pods.find(name);
        return found != snapshot.pods.end() ? FoundPod(found->second) : FoundPod();
    }
    const Pod* only = nullptr;
    for (const auto& [own_name, pod] : snapshot.pods) {
        if (own_name.name != name.name) {
            continue;
        }
        if (only != nullptr) {
            return Error("the runtime names the pod " + in_quotes(name.name) +
                             " without a namespace, and there is one in " +
                             only->name.pod_namespace + " and one in " + own_name.pod_namespace +
                             "; give them different names",
                         EINVAL);
        }
        only = &pod;
    }
    return only != nullptr ? FoundPod(*only) : FoundPod();
}

}  // namespace

// After a miss the directory is scanned again before the answer is certain, because the manifest
// may be newer than the last scan. The watching thread reports changes that such a scan finds.
Result<FoundPod> ManifestDirectory::Implementation::find(const PodName& name) {
    FSM_ASSIGN(FoundPod known, lookup(*snapshot(), name));
    if (known) {
        return known;
    }
    scan();
    if (thread_.joinable()) {
        watch_->wake();
    }
    const auto now = snapshot();
    FSM_ASSIGN(FoundPod found, lookup(*now, name));
    if (!found && now->doubt) {
        return Error("it is not known whether there is a pod " +
                         in_quotes(name.pod_namespace.empty() ? name.name : name.to_string()) +
                         ": no manifest has it, but " + *now->doubt +
                         "; correct or remove that file",
                     EAGAIN);
    }
    return found;
}

ManifestDirectory::ManifestDirectory(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}

ManifestDirectory::~ManifestDirectory() = default;

Result<std::unique_ptr<ManifestDirectory>> ManifestDirectory::open(
    const std::string& directory, std::chrono::milliseconds rescan) {
    auto implementation = std::make_unique<Implementation>(directory, rescan);
    FSM_TRY(implementation->load());
    return std::unique_ptr<ManifestDirectory>(new ManifestDirectory(std::move(implementation)));
}

std::string ManifestDirectory::description() const {
    return "directory " + implementation_->directory();
}

Result<FoundPod> ManifestDirectory::find(const PodName& name) const {
    return implementation_->find(name);
}

Result<std::vector<Pod>> ManifestDirectory::list() const {
    // Keep the state alive while it is read: the next scan publishes a new one.
    const auto snapshot = implementation_->snapshot();
    std::vector<Pod> pods;
    for (const auto& [name, pod] : snapshot->pods) {
        pods.push_back(pod);
    }
    return pods;
}

Result<void> ManifestDirectory::watch(std::function<void(const PodName&)> changed) {
    return implementation_->watch(std::move(changed));
}

std::vector<Problem> ManifestDirectory::problems() const {
    return implementation_->problems();
}

}  // namespace fsm
