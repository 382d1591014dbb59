// The interceptor's metrics in Prometheus' text format.
#pragma once

#include <string>

#include "interceptor/api/view_routes.h"

namespace fsm {

// Values that cannot be read are omitted and counted in fsm_scrape_errors.
std::string render_metrics(const Views& views);

}  // namespace fsm
