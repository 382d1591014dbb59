#include "interceptor/sync/host_paths.h"

#include <string_view>

namespace fsm {

std::string HostPaths::translate(const std::string& path) const {
    const auto moved = [&](std::string_view from, const std::string& to) {
        return path.compare(0, from.size(), from) == 0 && to + "/" != from;
    };
    const auto below = [&](std::string_view from, const std::string& to) {
        return to + "/" + path.substr(from.size());
    };
    constexpr std::string_view kVarRun = "/var/run/";
    constexpr std::string_view kRun = "/run/";
    constexpr std::string_view kProc = "/proc/";
    if (moved(kVarRun, var_run)) {
        return below(kVarRun, var_run);
    }
    if (var_run != "/var/run" && moved(kRun, var_run)) {
        return below(kRun, var_run);
    }
    if (moved(kProc, proc)) {
        return below(kProc, proc);
    }
    return path;
}

}  // namespace fsm
