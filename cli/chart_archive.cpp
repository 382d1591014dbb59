#include "cli/chart_archive.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "common/file.h"
#include "common/version.h"

namespace fsm::cli {

namespace {
constexpr mode_t kOwnerOnly = 0600;
}

Result<ChartLocation> ChartLocation::open(const std::string& path) {
    if (!path.empty()) {
        struct stat info {};
        if (stat(path.c_str(), &info) != 0) {
            return Error::from_errno("look at the chart " + path + " (--fsm-chart-path)");
        }
        return ChartLocation(path, "");
    }
    const char* parent = getenv("TMPDIR");
    std::string folder =
        std::string(parent != nullptr && *parent == '/' ? parent : "/tmp") + "/fsm-chart-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) {
        return Error::from_errno("make a temporary folder for the chart, " + folder +
                                 " (TMPDIR says where)");
    }
    ChartLocation location(folder + "/fsm-" + std::string(kVersion) + ".tgz", folder);
    FSM_TRY(write_file_atomically_unsynced(location.path_, embedded_chart(), kOwnerOnly));
    return location;
}

ChartLocation::ChartLocation(ChartLocation&& other) noexcept
    : path_(std::move(other.path_)), folder_(std::exchange(other.folder_, {})) {}

ChartLocation::~ChartLocation() {
    if (!folder_.empty()) {
        unlink(path_.c_str());
        rmdir(folder_.c_str());
    }
}

}  // namespace fsm::cli
