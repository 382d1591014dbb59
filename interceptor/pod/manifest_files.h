// ManifestFiles: the pods in the manifests of one directory; changed files are read again. Internal
// to this folder.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/problem.h"
#include "common/result.h"
#include "interceptor/pod/pod.h"

namespace fsm {

// The published state; immutable once readers can see it.
struct ManifestSnapshot {
    std::map<PodName, Pod> pods;
    std::vector<Problem> problems;
    // Why a pod that is not among `pods` may still exist.
    std::optional<std::string> doubt;
    bool unsettled = false;  // a file is being written: rescan soon
};

// Threads: one at a time.
class ManifestFiles {
  public:
    // A file that was written just now may still be incomplete.
    static constexpr std::chrono::milliseconds kSettleTime{50};

    explicit ManifestFiles(std::string directory) : directory_(std::move(directory)) {}

    // Fails if the directory cannot be read.
    Result<void> check() const;
    // Scans every file, and returns the merged result.
    ManifestSnapshot scan();

  private:
    // Identifies the content of a path.
    struct FileVersion {
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
        std::int64_t modified = 0;  // nanoseconds
        std::int64_t changed = 0;   // nanoseconds

        bool operator==(const FileVersion&) const = default;
    };

    // One file and its pods.
    struct ManifestFile {
        FileVersion version;
        std::vector<Pod> pods;  // of the last valid version
        std::optional<std::string> problem;
    };

    struct Listing {
        struct stat directory {};
        std::set<std::string> names;
    };

    static Result<Listing> list(const std::string& directory);
    static FileVersion version_of(const struct stat& status);
    static bool was_just_written(const FileVersion& version);
    static bool is_being_cut(const FileVersion& known, const FileVersion& now);
    static bool is_in_place(const Listing& listing, const std::string& directory);

    void scan_files(const Listing& listing, ManifestSnapshot& next);
    void scan_file(const std::string& name, const Listing& listing, ManifestSnapshot& next);
    void miss_file(const std::string& name, const Listing& listing, const Error& error,
                   ManifestSnapshot& next);
    Result<void> read_manifest(const std::string& path, const struct stat& status,
                               ManifestFile& file);
    void collect(ManifestSnapshot& next) const;

    const std::string directory_;
    std::map<std::string, ManifestFile> files_;  // by name
};

}  // namespace fsm
