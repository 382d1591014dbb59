// MetricsEndpoint: GET /metrics by TCP, and nothing else, for Prometheus, which knows no Unix
// sockets. Pods are served without it, too: that it cannot listen is a problem of the node's
// status, and ends nothing.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "interceptor/api/http_router.h"
#include "interceptor/api/http_server.h"
#include "interceptor/api/tcp_listener.h"
#include "interceptor/api/view_routes.h"

namespace fsm {

class MetricsEndpoint {
  public:
    // Serves from now on, unless there is no address. What the views refer to must outlive it.
    void start(const std::optional<ListenAddress>& address, const Views& views);

    // Why nobody can ask, until start() is called again. Not while start() runs.
    std::vector<std::string> problems() const { return problems_; }

  private:
    HttpRouter router_;
    std::unique_ptr<HttpServer> server_;
    std::vector<std::string> problems_;
};

}  // namespace fsm
