// `fsm support-bundle`: what a maintainer needs, in one file, without secrets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "cli/settings.h"
#include "common/result.h"

namespace fsm::cli {

enum class Names : std::uint8_t { kept, replaced };

struct BundleOptions {
    Settings settings;
    std::string output;  // empty: fsm-support-<time>.tar.gz in the working directory
    Names names = Names::kept;
    std::size_t at_once = 8;  // nodes that are asked at the same time
};

// Collects what it can get; what it cannot is named in the archive, and on standard output, with
// the reason. An error only if the API server does not answer, or the archive cannot be written.
Result<void> write_support_bundle(const BundleOptions& options);

}  // namespace fsm::cli
