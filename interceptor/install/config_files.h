// The files in a directory of CNI configurations, in the order of container runtimes, and the
// operations of the installer on them.
//
// After every operation, and after a power loss between any two system calls, a runtime reads a
// valid configuration. Temporary files and kept originals have hidden names with suffixes that
// runtimes do not read.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace fsm {

// One file as it was read.
struct ConfigFile {
    std::string name;
    std::string text;
    struct stat version {};  // identifies the file and its content
};

// Threads: starts none; only one may change a directory at a time.
class ConfigFiles {
  public:
    explicit ConfigFiles(std::string directory) : directory_(std::move(directory)) {}

    const std::string& directory() const { return directory_; }
    std::string path_of(std::string_view name) const;

    // The names that runtimes read, in their order (by bytes). Runtimes use the first one.
    Result<std::vector<std::string>> names() const;
    // The folders in the directory.
    Result<std::vector<std::string>> folders() const;
    Result<ConfigFile> read(const std::string& name) const;
    Result<bool> exists(const std::string& name) const;

    // Replaces the file `name` by `text`, with mode and owner of `like`. Fails with ESTALE if
    // `like` has been changed since it was read.
    Result<void> write(const std::string& name, std::string_view text,
                       const ConfigFile& like) const;

    // Writes a file that only the installer writes.
    Result<void> create(const std::string& name, std::string_view text,
                        const ConfigFile& like) const;

    // The original of a changed file is kept beside it, because the state directory does not
    // survive a reboot. It is restored by one rename, with its mode and owner, and as a symbolic
    // link if it was one.
    static std::string original_of(std::string_view name);
    // Keeps a link to the file as its original; the file stays. Replaces an earlier original.
    Result<void> keep_original(const std::string& name) const;
    // Renames the file to its original.
    Result<void> set_aside(const std::string& name) const;
    // Replaces the file by its original, if there is one.
    Result<void> put_back(const std::string& name) const;

    // Removes the file; succeeds if it does not exist.
    Result<void> remove(const std::string& name) const;
    // Removes temporary files of interrupted operations, and all originals.
    Result<void> remove_leftovers() const;

  private:
    Result<void> sync() const;
    enum class Kind : std::uint8_t { file, folder };
    Result<std::vector<std::string>> all_names(Kind kind) const;
    Result<std::string> write_unfinished(const std::string& name, std::string_view text,
                                         const ConfigFile& like) const;

    std::string directory_;
};

}  // namespace fsm
