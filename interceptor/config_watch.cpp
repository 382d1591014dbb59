#include "interceptor/config_watch.h"

#include <utility>

namespace fsm {

namespace {

Error not_usable(const Error& why) {
    return Error("the configuration on disk cannot be used: " + why.message() +
                 ". The interceptor keeps the configuration of its start, but cannot be restarted "
                 "with this one: correct it, and check it with `fsm-interceptor check-config`");
}

Error changed(const std::string& what) {
    return Error(what +
                 " has changed since the interceptor was started, which keeps its settings: "
                 "restart it to use the new ones (kubectl rollout restart daemonset)");
}

}  // namespace

ConfigWatch::ConfigWatch(const CommandLine& line, MeshProfile profile)
    : line_(line), profile_(std::move(profile)) {}

Result<void> ConfigWatch::check() const {
    const auto now = line_.read_again();
    if (!now) {
        return not_usable(now.error());
    }
    const auto profile = MeshProfile::find(now->profile, now->profiles_directory);
    if (!profile) {
        return not_usable(profile.error());
    }
    if (*now != line_.config) {
        return changed("the configuration file " + line_.config_file);
    }
    return *profile == profile_ ? Result<void>() : changed("the profile " + line_.config.profile);
}

}  // namespace fsm
