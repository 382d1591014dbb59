#include "interceptor/config_watch.h"

#include <utility>

namespace fsm {

namespace {

Error not_usable(const Error& why) {
    return Error("the configuration on disk cannot be used: " + why.message() +
                 ". The interceptor goes on with the one that it has, but could not be started "
                 "again: mend it, `fsm-interceptor check-config` looks at it");
}

Error changed(const std::string& what) {
    return Error(what +
                 " has changed since the interceptor was started, which goes on with what it has: "
                 "start it again to use the new settings (kubectl rollout restart daemonset)");
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
