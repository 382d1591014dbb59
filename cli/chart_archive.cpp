#include "cli/chart_archive.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace fsm::cli {

namespace {

Result<void> write_all(int file, std::string_view content) {
    while (!content.empty()) {
        const ssize_t count = write(file, content.data(), content.size());
        if (count < 0 && errno != EINTR) {
            return Error::from_errno("write the chart to memory");
        }
        content.remove_prefix(count > 0 ? static_cast<std::size_t>(count) : 0);
    }
    return {};
}

}  // namespace

Result<ChartLocation> ChartLocation::open(const std::string& path) {
    if (!path.empty()) {
        struct stat info {};
        if (stat(path.c_str(), &info) != 0) {
            return Error::from_errno("find the chart " + path + " (--fsm-chart-path)");
        }
        return ChartLocation(path, Fd());
    }
    Fd file(memfd_create("fsm-chart.tgz", MFD_CLOEXEC));
    if (!file) {
        return Error::from_errno("create a memory file for the chart");
    }
    FSM_TRY(write_all(file.get(), embedded_chart()));
    // The path in /proc lets helm open the file anew, any number of times.
    const auto own = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(file.get());
    return ChartLocation(own, std::move(file));
}

}  // namespace fsm::cli
