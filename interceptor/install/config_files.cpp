#include "interceptor/install/config_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "common/durable_file.h"
#include "common/file.h"
#include "interceptor/install/chain_text.h"

namespace fsm {

namespace {

constexpr std::size_t kConfigLimit = std::size_t{1} << 20;
constexpr std::string_view kOriginal = ".fsm-original";
constexpr std::string_view kUnfinished = ".fsm-new";

std::string hidden(std::string_view name, std::string_view ending) {
    return "." + std::string(name) + std::string(ending);
}

bool same_version(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
           a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

std::string ConfigFiles::path_of(std::string_view name) const {
    return directory_ + "/" + std::string(name);
}

std::string ConfigFiles::original_of(std::string_view name) {
    return hidden(name, kOriginal);
}

Result<std::vector<std::string>> ConfigFiles::all_names(Kind kind) const {
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(directory_.c_str()), closedir);
    if (!stream) {
        return Error::from_errno("read the directory of CNI configurations " + directory_);
    }
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(stream.get())) {
        if ((entry->d_type == DT_DIR) == (kind == Kind::folder)) {
            names.emplace_back(entry->d_name);
        }
    }
    if (errno != 0) {
        return Error::from_errno("read the directory of CNI configurations " + directory_);
    }
    std::sort(names.begin(), names.end());
    return names;
}

Result<std::vector<std::string>> ConfigFiles::names() const {
    FSM_ASSIGN(auto names, all_names(Kind::file));
    std::erase_if(names, [](const std::string& name) { return !config_form_of(name); });
    return names;
}

Result<std::vector<std::string>> ConfigFiles::folders() const {
    FSM_ASSIGN(auto names, all_names(Kind::folder));
    std::erase_if(names, [](const std::string& name) { return name == "." || name == ".."; });
    return names;
}

Result<ConfigFile> ConfigFiles::read(const std::string& name) const {
    const std::string path = path_of(name);
    ConfigFile file;
    file.name = name;
    if (stat(path.c_str(), &file.version) != 0) {
        return Error::from_errno("stat " + path);
    }
    if (!S_ISREG(file.version.st_mode)) {
        return Error(path + " is not a file", EINVAL);
    }
    FSM_ASSIGN(file.text, read_file(path, kConfigLimit));
    return file;
}

Result<bool> ConfigFiles::exists(const std::string& name) const {
    struct stat info {};
    if (lstat(path_of(name).c_str(), &info) == 0) {
        return true;
    }
    if (errno == ENOENT) {
        return false;
    }
    return Error::from_errno("stat " + path_of(name));
}

Result<void> ConfigFiles::sync() const {
    return sync_directory(directory_);
}

Result<std::string> ConfigFiles::write_unfinished(const std::string& name, std::string_view text,
                                                  const ConfigFile& like) const {
    std::string unfinished = path_of(hidden(name, kUnfinished));
    FSM_TRY(
        write_durably(unfinished, text,
                      {like.version.st_mode & 07777U, like.version.st_uid, like.version.st_gid}));
    return unfinished;
}

Result<void> ConfigFiles::create(const std::string& name, std::string_view text,
                                 const ConfigFile& like) const {
    FSM_ASSIGN(const auto unfinished, write_unfinished(name, text, like));
    return rename_durably(unfinished, path_of(name));
}

Result<void> ConfigFiles::write(const std::string& name, std::string_view text,
                                const ConfigFile& like) const {
    FSM_ASSIGN(const auto unfinished, write_unfinished(name, text, like));
    const std::string read_path = path_of(like.name);
    struct stat now {};
    if (stat(read_path.c_str(), &now) != 0 || !same_version(now, like.version)) {
        unlink(unfinished.c_str());
        return Error(read_path + " is being changed by another program", ESTALE);
    }
    FSM_TRY(rename_durably(unfinished, path_of(name)));
    return {};
}

Result<void> ConfigFiles::keep_original(const std::string& name) const {
    const std::string path = path_of(name);
    const std::string original = path_of(original_of(name));
    const std::string unfinished = original + std::string(kUnfinished);
    FSM_TRY(remove_file(unfinished));
    if (linkat(AT_FDCWD, path.c_str(), AT_FDCWD, unfinished.c_str(), 0) != 0) {
        return Error::from_errno("link " + path + " to " + unfinished);
    }
    FSM_TRY(rename_durably(unfinished, original));
    // Between two links of one file, rename() does nothing.
    return remove_file(unfinished);
}

Result<void> ConfigFiles::set_aside(const std::string& name) const {
    return rename_durably(path_of(name), path_of(original_of(name)));
}

Result<void> ConfigFiles::put_back(const std::string& name) const {
    return rename_durably(path_of(original_of(name)), path_of(name));
}

Result<void> ConfigFiles::remove(const std::string& name) const {
    FSM_TRY(remove_file(path_of(name)));
    return sync();
}

Result<void> ConfigFiles::remove_leftovers() const {
    FSM_ASSIGN(const auto names, all_names(Kind::file));
    for (const auto& name : names) {
        const bool ours = name.ends_with(kOriginal) || name.ends_with(kUnfinished);
        if (ours && name.front() == '.') {
            FSM_TRY(remove_file(path_of(name)));
        }
    }
    return sync();
}

}  // namespace fsm
