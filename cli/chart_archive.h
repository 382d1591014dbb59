// The chart that was built into this program, as something that helm can open.
#pragma once

#include <string>
#include <string_view>

#include "common/fd.h"
#include "common/result.h"

namespace fsm::cli {

// A .tgz, as `helm package` makes it.
std::string_view embedded_chart();

// Where helm finds the chart: the user's own, or the embedded one, as a file in memory that is
// there as long as this object is. However the program ends, nothing stays behind.
class ChartLocation {
  public:
    // `path` as the user gave it; empty: the embedded chart.
    static Result<ChartLocation> open(const std::string& path);

    const std::string& path() const { return path_; }

  private:
    ChartLocation(std::string path, Fd file) : path_(std::move(path)), file_(std::move(file)) {}

    std::string path_;
    Fd file_;
};

}  // namespace fsm::cli
