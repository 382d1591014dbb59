#include "interceptor/install/plugin_binary.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/durable_file.h"
#include "common/file.h"
#include "interceptor/install/chain_text.h"

namespace fsm {

namespace {

constexpr std::size_t kBinaryLimit = std::size_t{64} << 20;
constexpr mode_t kMode = 0755;

std::string path_in(const std::string& directory) {
    return directory + "/" + std::string(kPluginType);
}

std::string unfinished_in(const std::string& directory) {
    return directory + "/." + std::string(kPluginType) + ".fsm-new";
}

bool is_installed(const std::string& path, const std::string& content) {
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode) ||
        (info.st_mode & 07777U) != kMode ||
        static_cast<std::size_t>(info.st_size) != content.size()) {
        return false;
    }
    const auto present = read_file(path, kBinaryLimit);
    return present && *present == content;
}

}  // namespace

Result<bool> install_plugin(const std::string& source, const std::string& directory) {
    FSM_ASSIGN(const auto content, read_file(source, kBinaryLimit));
    const std::string path = path_in(directory);
    if (is_installed(path, content)) {
        return false;
    }
    FSM_TRY(make_directories(directory, kMode));
    const std::string unfinished = unfinished_in(directory);
    FSM_TRY(write_durably(unfinished, content, {kMode, geteuid(), getegid()}));
    FSM_TRY(rename_durably(unfinished, path));
    return true;
}

Result<void> remove_plugin(const std::string& directory) {
    FSM_TRY(remove_file(unfinished_in(directory)));
    return remove_file(path_in(directory));
}

}  // namespace fsm
