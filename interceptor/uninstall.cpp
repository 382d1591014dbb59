#include "interceptor/uninstall.h"

#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "interceptor/api/unix_listener.h"
#include "interceptor/instance_lock.h"

namespace fsm {

namespace {

void note(std::string& failures, const std::string& failure) {
    failures += (failures.empty() ? "" : "; ") + failure;
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
    if (auto removed = Datapath::uninstall(config.datapath); !removed) {
        note(failures, removed.error().message());
    }
    remove_state(config.enroller.state_directory, failures);
    if (!failures.empty()) {
        return Error("not everything could be removed: " + failures);
    }
    return {};
}

}  // namespace fsm
