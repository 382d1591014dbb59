#include "interceptor/pod/manifest_directory.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <ctime>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "common/directory_watch.h"
#include "common/file.h"
#include "common/guarded.h"
#include "interceptor/pod/manifest.h"
#include "interceptor/pod/text.h"

namespace fsm {

namespace {

using namespace std::chrono_literals;

// A file that was written just now may still be incomplete.
constexpr auto kSettleTime = 50ms;

// Identifies the content of a path.
struct FileVersion {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t modified = 0;  // nanoseconds
    std::int64_t changed = 0;   // nanoseconds

    bool operator==(const FileVersion&) const = default;
};

std::int64_t nanoseconds(const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

FileVersion version_of(const struct stat& status) {
    return {status.st_dev, status.st_ino, status.st_size, nanoseconds(status.st_mtim),
            nanoseconds(status.st_ctim)};
}

bool was_just_written(const FileVersion& version) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const auto age = std::chrono::nanoseconds(nanoseconds(now) - version.modified);
    return age >= 0ns && age < kSettleTime;
}

// When a file is truncated, the kernel (ext4) changes its size first and its times afterwards: a
// different size with the same times means that a change is in progress.
bool is_being_cut(const FileVersion& known, const FileVersion& now) {
    FileVersion same_size = now;
    same_size.size = known.size;
    return same_size == known && now.size != known.size;
}

// One file and its pods.
struct ManifestFile {
    FileVersion version;
    std::vector<Pod> pods;  // of the last valid version
    std::optional<std::string> problem;
};

// The published state; immutable once readers can see it.
struct Snapshot {
    std::map<PodName, Pod> pods;
    std::vector<Problem> problems;
    // Why a pod that is not among `pods` may still exist.
    std::optional<std::string> doubt;
    bool unsettled = false;  // a file is being written: rescan soon
};

bool is_manifest_name(std::string_view name) {
    return !name.starts_with('.') &&
           (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}

struct Listing {
    struct stat directory {};
    std::set<std::string> names;
};

Result<Listing> list_manifests(const std::string& directory) {
    DIR* stream = ::opendir(directory.c_str());
    if (stream == nullptr) {
        return Error::from_errno("read the directory of manifests " + directory);
    }
    Listing listing;
    errno = 0;
    if (::fstat(::dirfd(stream), &listing.directory) != 0) {
        const int failure = errno;
        ::closedir(stream);
        return Error::from_errno("read the directory of manifests " + directory, failure);
    }
    while (const dirent* entry = ::readdir(stream)) {
        if (is_manifest_name(entry->d_name)) {
            listing.names.insert(entry->d_name);
        }
        errno = 0;
    }
    const int failure = errno;
    ::closedir(stream);
    if (failure != 0) {
        return Error::from_errno("read the directory of manifests " + directory, failure);
    }
    return listing;
}

// Whether the path still leads to the listed directory.
bool is_in_place(const Listing& listing, const std::string& directory) {
    struct stat now {};
    return ::stat(directory.c_str(), &now) == 0 && now.st_dev == listing.directory.st_dev &&
           now.st_ino == listing.directory.st_ino;
}

}  // namespace

class ManifestDirectory::Implementation {
  public:
    Implementation(std::string directory, std::chrono::milliseconds rescan)
        : directory_(std::move(directory)), rescan_(rescan) {}
    ~Implementation();
    Implementation(const Implementation&) = delete;
    Implementation& operator=(const Implementation&) = delete;

    Result<void> load();
    Result<void> watch(std::function<void(const PodName&)> changed);
    Result<FoundPod> find(const PodName& name);
    const std::string& directory() const { return directory_; }
    std::shared_ptr<const Snapshot> snapshot() const;
    std::vector<Problem> problems() const;

  private:
    void scan();
    void scan_files(const Listing& listing, Snapshot& next);
    void scan_file(const std::string& name, const Listing& listing, Snapshot& next);
    void miss_file(const std::string& name, const Listing& listing, const Error& error,
                   Snapshot& next);
    Result<void> read_manifest(const std::string& path, const struct stat& status,
                               ManifestFile& file);
    void collect(Snapshot& next) const;
    void publish(Snapshot next);
    void watch_until_stopped();
    void tell_changes();

    const std::string directory_;
    const std::chrono::milliseconds rescan_;

    std::mutex scanning_;                        // one scan at a time
    std::map<std::string, ManifestFile> files_;  // by name; under scanning_

    mutable std::mutex mutex_;  // the members below; never held while scanning or calling out
    std::shared_ptr<const Snapshot> snapshot_ = std::make_shared<Snapshot>();
    std::set<PodName> untold_;  // changes not yet passed to the callback
    Result<void> scanned_;      // the thread's last result

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

std::shared_ptr<const Snapshot> ManifestDirectory::Implementation::snapshot() const {
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
    FSM_TRY(list_manifests(directory_));
    constexpr int kAttempts = 20;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        scan();
        if (!snapshot()->unsettled) {
            break;
        }
        std::this_thread::sleep_for(kSettleTime);
    }
    return {};
}

void ManifestDirectory::Implementation::scan() {
    const std::lock_guard lock(scanning_);
    Snapshot next;
    const auto listing = list_manifests(directory_);
    if (listing) {
        scan_files(*listing, next);
    } else {
        next.problems.push_back(
            {directory_, listing.error().message() + "; its pods are kept as they were"});
        next.doubt = listing.error().message();
    }
    collect(next);
    publish(std::move(next));
}

void ManifestDirectory::Implementation::scan_files(const Listing& listing, Snapshot& next) {
    std::erase_if(files_, [&](const auto& entry) { return listing.names.count(entry.first) == 0; });
    for (const std::string& name : listing.names) {
        scan_file(name, listing, next);
    }
}

// A file that cannot be read: it was removed, its directory was removed, or it is a dangling link.
void ManifestDirectory::Implementation::miss_file(const std::string& name, const Listing& listing,
                                                  const Error& error, Snapshot& next) {
    struct stat link {};
    if (::lstat((directory_ + "/" + name).c_str(), &link) == 0 || errno != ENOENT) {
        files_[name].version = {};
        files_[name].problem = error.message();
    } else if (is_in_place(listing, directory_)) {
        files_.erase(name);  // it was removed while the directory was read
    } else {
        next.unsettled = true;
        next.doubt = "the directory of manifests " + directory_ + " is being replaced";
    }
}

void ManifestDirectory::Implementation::scan_file(const std::string& name, const Listing& listing,
                                                  Snapshot& next) {
    const std::string path = directory_ + "/" + name;
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        miss_file(name, listing, Error::from_errno("read manifest " + printable(path)), next);
        return;
    }
    const FileVersion version = version_of(status);
    const auto known = files_.find(name);
    if (known != files_.end() && known->second.version == version) {
        return;
    }
    if (was_just_written(version) ||
        (known != files_.end() && is_being_cut(known->second.version, version))) {
        next.unsettled = true;
        next.doubt = "the manifest " + printable(path) + " is being written";
        return;
    }
    ManifestFile& file = files_[name];
    file.version = version;
    const auto read = read_manifest(path, status, file);
    file.problem = read ? std::nullopt : std::optional(read.error().message());
}

Result<void> ManifestDirectory::Implementation::read_manifest(const std::string& path,
                                                              const struct stat& status,
                                                              ManifestFile& file) {
    if (!S_ISREG(status.st_mode)) {
        return Error("read manifest " + printable(path) + ": it is not a regular file", EINVAL);
    }
    auto text = read_file(path, kManifestSizeLimit);
    if (!text) {
        file.version = {};  // another attempt may succeed without a change of the file
        return std::move(text.error()).within("read manifest");
    }
    FSM_ASSIGN(file.pods, parse_manifests(*text, printable(path)));
    return {};
}

// Merges the pods of all files. The first file wins if two describe the same pod.
void ManifestDirectory::Implementation::collect(Snapshot& next) const {
    std::map<PodName, std::string> described_in;
    for (const auto& [name, file] : files_) {
        if (file.problem) {
            next.problems.push_back(
                {name,
                 *file.problem +
                     (file.pods.empty() ? "" : "; the pods of its last good version are kept")});
            next.doubt = *file.problem;
        }
        for (const Pod& pod : file.pods) {
            const auto [first, is_new] = described_in.emplace(pod.name, name);
            if (is_new) {
                next.pods.emplace(pod.name, pod);
            } else {
                next.problems.push_back({name + ": " + pod.name.to_string(),
                                         "pod " + pod.name.to_string() + " is in " +
                                             printable(first->second) + " and in " +
                                             printable(name) + " of " + printable(directory_) +
                                             "; the first is used, remove the other"});
            }
        }
    }
}

void ManifestDirectory::Implementation::publish(Snapshot next) {
    auto published = std::make_shared<const Snapshot>(std::move(next));
    const std::lock_guard lock(mutex_);
    for (const auto& [name, pod] : published->pods) {
        const auto before = snapshot_->pods.find(name);
        if (before == snapshot_->pods.end() || before->second != pod) {
            untold_.insert(name);
        }
    }
    for (const auto& [name, pod] : snapshot_->pods) {
        if (published->pods.count(name) == 0) {
            untold_.insert(name);
        }
    }
    snapshot_ = std::move(published);
}

Result<void> ManifestDirectory::Implementation::watch(std::function<void(const PodName&)> changed) {
    if (thread_.joinable()) {
        return Error("watch " + directory_ + ": it is watched already", EALREADY);
    }
    FSM_ASSIGN(watch_, DirectoryWatch::make(directory_));
    changed_ = std::move(changed);
    {
        const std::lock_guard lock(mutex_);
        untold_.clear();
    }
    thread_ = std::thread([this] { watch_until_stopped(); });
    return {};
}

void ManifestDirectory::Implementation::watch_until_stopped() {
    pthread_setname_np(pthread_self(), "fsm-manifests");
    while (!stopping_) {
        auto scanned = guarded("follow the manifests in " + directory_, [&] {
            scan();
            tell_changes();
        });
        {
            const std::lock_guard lock(mutex_);
            scanned_ = std::move(scanned);
        }
        watch_->wait(snapshot()->unsettled ? std::min(kSettleTime, rescan_) : rescan_);
    }
}

void ManifestDirectory::Implementation::tell_changes() {
    std::set<PodName> changes;
    {
        const std::lock_guard lock(mutex_);
        changes.swap(untold_);
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
Result<FoundPod> lookup(const Snapshot& snapshot, const PodName& name) {
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
