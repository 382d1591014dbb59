#include "interceptor/api/metrics_endpoint.h"

#include <utility>

#include "interceptor/log/log.h"

namespace fsm {

namespace {

// A scrape is a short request, now and then.
constexpr HttpLimits kLimits = {.max_body = 0, .max_waiting = 32, .max_workers = 2};

Result<std::unique_ptr<HttpServer>> serve(const ListenAddress& address, const HttpRouter& router) {
    FSM_ASSIGN(auto listener, TcpListener::open(address));
    return HttpServer::start(std::make_unique<TcpListener>(std::move(listener)), router, kLimits);
}

}  // namespace

void MetricsEndpoint::start(const std::optional<ListenAddress>& address, const Views& views) {
    if (!address) {
        return;
    }
    add_metrics_route(router_, views);
    auto server = serve(*address, router_);
    if (server) {
        server_ = std::move(*server);
        log::info("metrics: http://{}/metrics", address->to_string());
        return;
    }
    problems_ = {"metrics cannot be scraped: " + server.error().message() +
                 "; set metricsAddress to one that is free, and restart the interceptor"};
    log::error("{}", problems_.front());
}

}  // namespace fsm
