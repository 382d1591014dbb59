// GET /v1/connections: the open connections of the node's pods, one JSON object per line.
#pragma once

#include "interceptor/api/http_router.h"
#include "interceptor/api/view_routes.h"

namespace fsm {

void add_connection_routes(HttpRouter& router, const Views& views);

}  // namespace fsm
