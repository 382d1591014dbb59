#include "interceptor/sync/deletion_notes.h"

#include <sys/stat.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "common/file.h"

namespace fsm {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNoteLimit = 65536;
constexpr mode_t kDirectoryMode = 0700;
// Hidden files are notes that are being written, or leftovers of a dead writer.
constexpr std::time_t kAbandonedAfterSeconds = 60;

Result<cni::DeletionNote> read_note(const fs::path& path) {
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) {
        return Error::from_errno("stat");
    }
    if (!S_ISREG(info.st_mode)) {
        return Error("not a regular file");
    }
    FSM_ASSIGN(const auto text, read_file(path.string(), kNoteLimit));
    return cni::parse_deletion_note(text);
}

bool is_being_written(const fs::path& path) {
    struct stat info {};
    return path.filename().string().front() == '.' && lstat(path.c_str(), &info) == 0 &&
           std::time(nullptr) - info.st_mtime < kAbandonedAfterSeconds;
}

bool path_exists(const fs::path& path) {
    struct stat info {};
    return lstat(path.c_str(), &info) == 0;
}

// Appends a sentence when the entry cannot be removed.
void remove_entry(const fs::path& path, std::vector<std::string>& problems) {
    std::error_code failure;
    fs::remove_all(path, failure);
    if (failure) {
        problems.push_back("remove deletion note " + path.string() + ": " + failure.message());
    }
}

}  // namespace

Result<DeletionNotes> DeletionNotes::open(const std::string& directory) {
    FSM_TRY(make_directories(directory, kDirectoryMode));
    return DeletionNotes(directory);
}

std::vector<std::string> DeletionNotes::consume(const Lock& lock, const Withdraw& withdraw) const {
    std::vector<std::string> problems;
    std::error_code failure;
    std::vector<fs::path> paths;
    for (fs::directory_iterator entry(directory_, failure), end; !failure && entry != end;
         entry.increment(failure)) {
        paths.push_back(entry->path());
    }
    if (failure) {
        problems.push_back("list deletion notes in " + directory_ + ": " + failure.message());
    }
    for (const auto& path : paths) {
        if (is_being_written(path)) {
            continue;
        }
        const auto note = read_note(path);
        if (!note && note.error().errno_value() == ENOENT) {
            continue;  // withdrawn since the directory was listed
        }
        if (!note) {
            problems.push_back("deletion note " + path.string() + " cannot be used (" +
                               note.error().message() + "); it was removed");
            remove_entry(path, problems);
            continue;
        }
        const auto locks = lock(*note);
        if (path_exists(path) && withdraw(*note)) {
            remove_entry(path, problems);
        }
    }
    return problems;
}

}  // namespace fsm
