#include "interceptor/api/metrics_endpoint.h"

#include <utility>

#include "interceptor/api/cni_routes.h"
#include "interceptor/log/log.h"

namespace fsm {

namespace {

// A scrape is a short and rare request.
constexpr HttpLimits kLimits = {.max_body = 0, .max_waiting = 32, .max_workers = 2};

}  // namespace

MetricsEndpoint::MetricsEndpoint(const std::optional<ListenAddress>& address, const Views& views)
    : address_(address), router_(error_body_of) {
    add_metrics_route(router_, views);
}

Result<void> MetricsEndpoint::serve() {
    if (!address_ || server_) {
        return {};
    }
    auto listener = TcpListener::open(*address_);
    if (!listener) {
        return Error(
            "metrics cannot be scraped: " + listener.error().message() +
            "; tried again until the address is free, or set metricsAddress to another one");
    }
    FSM_ASSIGN(server_, HttpServer::start(std::make_unique<TcpListener>(std::move(*listener)),
                                          router_, kLimits));
    log::info("metrics: http://{}/metrics", address_->to_string());
    return {};
}

}  // namespace fsm
