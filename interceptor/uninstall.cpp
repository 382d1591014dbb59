#include "interceptor/uninstall.h"

#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "interceptor/api/unix_listener.h"
#include "interceptor/install/installer.h"
#include "interceptor/instance_lock.h"

namespace fsm {

namespace {

void note(std::string& failures, const std::string& failure) {
    failures += (failures.empty() ? "" : "; ") + failure;
}

bool leave_chain(const InstallOptions& cni, std::string& failures) {
    if (!cni.enabled) {
        return false;
    }
    const auto removed = remove_from_chain(cni);
    if (!removed) {
        note(failures, "take fsm-cni out of the chain of CNI plugins: " +
                           removed.error().message() + "; its binary stays in " + cni.bin_dir);
    }
    return static_cast<bool>(removed);
}

void remove_plugin_binary(const InstallOptions& cni, std::string& failures) {
    if (auto removed = remove_binary(cni); !removed) {
        note(failures, removed.error().message());
    }
}

// Only what is the interceptor's: the directory may have been set to one that others use too.
void remove_state(const std::string& directory, std::string& failures) {
    for (const std::string child : {"/attachments", "/deleted"}) {
        std::error_code failure;
        std::filesystem::remove_all(directory + child, failure);
        if (failure) {
            note(failures, "remove " + directory + child + ": " + failure.message());
        }
    }
    const std::string lock = InstanceLock::path_in(directory);
    if (unlink(lock.c_str()) != 0 && errno != ENOENT) {
        note(failures, Error::from_errno("remove " + lock).message());
    }
    if (rmdir(directory.c_str()) != 0 && errno != ENOENT) {
        note(failures, Error::from_errno("remove state directory " + directory).message());
    }
}

}  // namespace

Result<void> uninstall(const Config& config) {
    FSM_ASSIGN(const auto lock, InstanceLock::take(config.enroller.state_directory));
    FSM_TRY(remove_stale_socket(config.socket));
    std::string failures;
    // First the entry, so that no pod is started that needs the rest; the binary last, and only
    // when no chain names it any more.
    const bool out_of_chain = leave_chain(config.cni, failures);
    if (auto removed = uninstall_datapaths(config.datapath); !removed) {
        note(failures, removed.error().message());
    }
    if (out_of_chain) {
        remove_plugin_binary(config.cni, failures);
    }
    remove_state(config.enroller.state_directory, failures);
    if (!failures.empty()) {
        return Error("not everything could be removed: " + failures);
    }
    return {};
}

}  // namespace fsm
