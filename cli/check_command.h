// `fsm check`: whether the mesh can be installed, or works.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "cli/settings.h"
#include "common/result.h"

namespace fsm::cli {

enum class Stage : std::uint8_t { as_found, before_installation };
enum class ReportFormat : std::uint8_t { text, json };

struct CheckOptions {
    Settings settings;
    Stage stage = Stage::as_found;  // as_found: after an installation if the mesh is there
    std::string mode;               // of the installation to come; empty: ebpf
    std::string profile;            // likewise; empty: fsm
    ReportFormat format = ReportFormat::text;
    std::chrono::seconds wait{0};  // checks again until there is no error, or this has passed
};

// Prints a line for each check. The result is an error if one of them is.
Result<void> check_cluster(const CheckOptions& options);

// The report, for a support bundle: JSON.
std::string check_report(const CheckOptions& options);

}  // namespace fsm::cli
