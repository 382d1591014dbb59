#include "interceptor/pod/manifest_files.h"

#include <dirent.h>

#include <cerrno>
#include <ctime>

#include "common/file.h"
#include "common/text.h"
#include "interceptor/pod/manifest.h"

namespace fsm {

namespace {

using namespace std::chrono_literals;

std::int64_t nanoseconds(const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

bool is_manifest_name(std::string_view name) {
    return !name.starts_with('.') &&
           (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}

}  // namespace

ManifestFiles::FileVersion ManifestFiles::version_of(const struct stat& status) {
    return {status.st_dev, status.st_ino, status.st_size, nanoseconds(status.st_mtim),
            nanoseconds(status.st_ctim)};
}

bool ManifestFiles::was_just_written(const FileVersion& version) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const auto age = std::chrono::nanoseconds(nanoseconds(now) - version.modified);
    return age >= 0ns && age < kSettleTime;
}

// When a file is truncated, the kernel (ext4) changes its size first and its times afterwards: a
// different size with the same times means that a change is in progress.
bool ManifestFiles::is_being_cut(const FileVersion& known, const FileVersion& now) {
    FileVersion same_size = now;
    same_size.size = known.size;
    return same_size == known && now.size != known.size;
}

Result<ManifestFiles::Listing> ManifestFiles::list(const std::string& directory) {
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
bool ManifestFiles::is_in_place(const Listing& listing, const std::string& directory) {
    struct stat now {};
    return ::stat(directory.c_str(), &now) == 0 && now.st_dev == listing.directory.st_dev &&
           now.st_ino == listing.directory.st_ino;
}

Result<void> ManifestFiles::check() const {
    FSM_TRY(list(directory_));
    return {};
}

ManifestSnapshot ManifestFiles::scan() {
    ManifestSnapshot next;
    const auto listing = list(directory_);
    if (listing) {
        scan_files(*listing, next);
    } else {
        next.problems.push_back(
            {directory_, listing.error().message() + "; its pods are kept as they were"});
        next.doubt = listing.error().message();
    }
    collect(next);
    return next;
}

void ManifestFiles::scan_files(const Listing& listing, ManifestSnapshot& next) {
    std::erase_if(files_, [&](const auto& entry) { return listing.names.count(entry.first) == 0; });
    for (const std::string& name : listing.names) {
        scan_file(name, listing, next);
    }
}

// A file that cannot be read: it was removed, its directory was removed, or it is a dangling link.
void ManifestFiles::miss_file(const std::string& name, const Listing& listing, const Error& error,
                              ManifestSnapshot& next) {
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

void ManifestFiles::scan_file(const std::string& name, const Listing& listing,
                              ManifestSnapshot& next) {
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

Result<void> ManifestFiles::read_manifest(const std::string& path, const struct stat& status,
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
void ManifestFiles::collect(ManifestSnapshot& next) const {
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

}  // namespace fsm
