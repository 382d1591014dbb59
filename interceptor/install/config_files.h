// The files of a directory of CNI configurations, as container runtimes read them, and the few
// changes that the installer makes to them.
//
// Every change is such that a runtime reads a valid configuration at every instant, and after a
// loss of power between any two system calls. The files that are made on the way, and the originals
// that are kept, have hidden names whose endings runtimes do not read.
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
    struct stat version {};  // tells whether it is still the same file with the same content
};

// Threads: none of its own; one at a time may change a directory.
class ConfigFiles {
  public:
    explicit ConfigFiles(std::string directory) : directory_(std::move(directory)) {}

    const std::string& directory() const { return directory_; }
    std::string path_of(std::string_view name) const;

    // The names that runtimes read, in their order (by bytes). The first is the one that counts.
    Result<std::vector<std::string>> names() const;
    // The folders in the directory.
    Result<std::vector<std::string>> folders() const;
    Result<ConfigFile> read(const std::string& name) const;
    Result<bool> exists(const std::string& name) const;

    // Writes `text` under `name`, in place of what is there, with mode and owner of `like`. Fails
    // with ESTALE when `like` has been changed since it was read.
    Result<void> write(const std::string& name, std::string_view text,
                       const ConfigFile& like) const;

    // Writes a file of ours, which nobody else does.
    Result<void> create(const std::string& name, std::string_view text,
                        const ConfigFile& like) const;

    // The original of a file that is being changed is kept beside it: it must survive a reboot,
    // which the state directory does not, and it comes back by one rename, with mode, owner, and as
    // a symbolic link if it was one.
    static std::string original_of(std::string_view name);
    // The original appears; the file stays. An earlier original of that name is replaced.
    Result<void> keep_original(const std::string& name) const;
    // The file goes, and becomes the original.
    Result<void> set_aside(const std::string& name) const;
    // The original takes the place of the file, if there is one.
    Result<void> put_back(const std::string& name) const;

    // Succeeds when there is no such file.
    Result<void> remove(const std::string& name) const;
    // What write() and keep_original() leave when they are interrupted, and all originals.
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
