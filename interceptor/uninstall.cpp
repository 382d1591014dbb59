#include "interceptor/uninstall.h"

#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "common/failures.h"
#include "interceptor/api/unix_listener.h"
#include "interceptor/install/installer.h"
#include "interceptor/instance_lock.h"
#include "interceptor/log/log.h"

namespace fsm {

namespace {

bool leave_chain(const InstallOptions& cni, Failures& failures) {
    if (!cni.enabled) {
        return false;
    }
    const auto removed = remove_from_chain(cni);
    if (!removed) {
        failures.note(Error("remove fsm-cni from the chain of CNI plugins: " +
                            removed.error().message() + "; its binary stays in " + cni.bin_dir));
    }
    return static_cast<bool>(removed);
}

Result<void> remove_directory(const std::string& directory) {
    if (rmdir(directory.c_str()) == 0 || errno == ENOENT) {
        return {};
    }
    if (errno == ENOTEMPTY || errno == EEXIST) {
        log::info("{} stays: it has files that are not the interceptor's", directory);
        return {};
    }
    return Error::from_errno("remove state directory " + directory);
}

// Removes only the interceptor's own files: other programs may use the directory, too.
void remove_state(const std::string& directory, Failures& failures) {
    for (const std::string child : {"/attachments", "/deleted"}) {
        std::error_code failure;
        std::filesystem::remove_all(directory + child, failure);
        if (failure) {
            failures.note(Error("remove " + directory + child + ": " + failure.message()));
        }
    }
    const std::string lock = InstanceLock::path_in(directory);
    if (unlink(lock.c_str()) != 0 && errno != ENOENT) {
        failures.note(Error::from_errno("remove " + lock));
    }
    failures.note(remove_directory(directory));
}

}  // namespace

Result<void> uninstall(const Config& config) {
    FSM_ASSIGN(const auto lock, InstanceLock::take(config.enroller.state_directory));
    FSM_TRY(remove_stale_socket(config.socket));
    Failures failures;
    // The entry first, so that no pod starts that needs the rest; the binary last, and only if no
    // chain names it.
    const bool out_of_chain = leave_chain(config.cni, failures);
    failures.note(uninstall_datapaths(config.datapath));
    if (out_of_chain) {
        failures.note(remove_binary(config.cni));
    }
    remove_state(config.enroller.state_directory, failures);
    return failures.result("not everything could be removed");
}

Result<void> leave_node(const Config& config) {
    FSM_ASSIGN(const auto lock, InstanceLock::take(config.enroller.state_directory));
    Failures failures;
    // The binary only if no chain names it.
    if (leave_chain(config.cni, failures)) {
        failures.note(remove_binary(config.cni));
    }
    return failures.result("pods of this node may still wait for the interceptor");
}

}  // namespace fsm
