// The levels of the interceptor's log, while it runs: GET /v1/log, and POST /v1/log with
// {"level": LEVEL} for every module, {"levels": {MODULE: LEVEL}} for some, or both. They last until
// the interceptor ends.
#pragma once

#include "interceptor/api/http_router.h"

namespace fsm {

void add_log_routes(HttpRouter& router);

}  // namespace fsm
