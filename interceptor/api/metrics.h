// The interceptor's metrics in Prometheus' text format.
#pragma once

#include <string>

#include "interceptor/api/view_routes.h"

namespace fsm {

// What cannot be read is left out and counted in fsm_scrape_errors.
std::string render_metrics(const Views& views);

}  // namespace fsm
