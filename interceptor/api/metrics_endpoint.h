// MetricsEndpoint: GET /metrics by TCP, and nothing else, for Prometheus, which has no support for
// Unix sockets. Pods are served without it, too: that it cannot listen is a problem in the node's
// status, and is not fatal.
#pragma once

#include <memory>
#include <optional>

#include "interceptor/api/http_router.h"
#include "interceptor/api/http_server.h"
#include "interceptor/api/tcp_listener.h"
#include "interceptor/api/view_routes.h"

namespace fsm {

// Threads: one at a time.
class MetricsEndpoint {
  public:
    // What the views refer to must outlive it.
    MetricsEndpoint(const std::optional<ListenAddress>& address, const Views& views);

    // Serves from now on, unless it serves already or there is no address. An error (the address is
    // in use): to be called again.
    Result<void> serve();

  private:
    const std::optional<ListenAddress> address_;
    HttpRouter router_;
    std::unique_ptr<HttpServer> server_;
};

}  // namespace fsm
