// The interceptor's metrics in Prometheus' text format.
#pragma once

#include <string>

#include "interceptor/api/view_routes.h"

namespace fsm {

// Values that cannot be read are omitted, counted in fsm_scrape_errors, and a condition of
// Component::metrics.
std::string render_metrics(const Views& views);

}  // namespace fsm
