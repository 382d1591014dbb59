// MetricsEndpoint: serves GET /metrics by TCP, and nothing else, for Prometheus, which does not
// support Unix sockets. A bind failure is reported in the node's status and is not fatal.
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
    // The objects behind the views must outlive it.
    MetricsEndpoint(const std::optional<ListenAddress>& address, const Views& views);

    // Starts to serve, unless it already does or has no address. On an error (the address is in
    // use) call it again later.
    Result<void> serve();

  private:
    const std::optional<ListenAddress> address_;
    HttpRouter router_;
    std::unique_ptr<HttpServer> server_;
};

}  // namespace fsm
