// The chart that is built into this program, in a form that helm can open.
#pragma once

#include <string>
#include <string_view>

#include "common/fd.h"
#include "common/result.h"

namespace fsm::cli {

// A .tgz, as made by `helm package`.
std::string_view embedded_chart();

// The path of the chart for helm: the user's own chart, or the embedded one in an anonymous memory
// file, which exists as long as this object. No file remains, however the program ends.
class ChartLocation {
  public:
    // `path` is the user's; empty: the embedded chart.
    static Result<ChartLocation> open(const std::string& path);

    const std::string& path() const { return path_; }

  private:
    ChartLocation(std::string path, Fd file) : path_(std::move(path)), file_(std::move(file)) {}

    std::string path_;
    Fd file_;
};

}  // namespace fsm::cli
