// The chart that was built into this program, as the file that helm wants.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace fsm::cli {

// A .tgz, as `helm package` makes it.
std::string_view embedded_chart();

// Where helm finds the chart: the user's own, or the embedded one in a temporary folder that goes
// away with this object. Move-only.
class ChartLocation {
  public:
    // `path` as the user gave it; empty: the embedded chart.
    static Result<ChartLocation> open(const std::string& path);

    ChartLocation(ChartLocation&& other) noexcept;
    ChartLocation& operator=(ChartLocation&&) = delete;
    ChartLocation(const ChartLocation&) = delete;
    ChartLocation& operator=(const ChartLocation&) = delete;
    ~ChartLocation();

    const std::string& path() const { return path_; }

  private:
    ChartLocation(std::string path, std::string folder)
        : path_(std::move(path)), folder_(std::move(folder)) {}

    std::string path_;
    std::string folder_;  // to be removed; empty: nothing
};

}  // namespace fsm::cli
