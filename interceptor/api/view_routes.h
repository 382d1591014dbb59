// Read-only routes: GET /v1/pods, /v1/programs, /v1/maps, /v1/counters, /v1/status, /healthz,
// /readyz, /metrics.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "interceptor/api/http_router.h"
#include "interceptor/api/map_fill.h"
#include "interceptor/api/request_meter.h"
#include "interceptor/health/conditions.h"
#include "interceptor/interception/inspection.h"
#include "interceptor/pod/pod_notifier.h"
#include "interceptor/pod/pod_source.h"
#include "interceptor/sync/enroller.h"

namespace fsm {

// The data behind the routes; it must outlive the router.
struct Views {
    const Enroller& enroller;
    const Inspection& datapath;
    const PodSource& source;
    const RequestMeter& meter;
    Conditions& conditions;       // the node's problems
    const PodNotifier* notifier;  // null: owners get no reports
    std::string profile;
    std::string mode;          // ebpf, iptables, none
    std::string inbound;       // as configured: auto, sk_lookup, tc
    std::string acceleration;  // as configured: auto, off, sidecar, full
    // Time since the last pass over the attachments.
    std::function<std::chrono::milliseconds()> reconcile_age;
    // An error: container runtimes do not call the plugin yet.
    std::function<Result<void>()> installed;
    // Shared by the metrics on the socket and by TCP.
    std::shared_ptr<MapFill> map_fill = std::make_shared<MapFill>();
};

// The result of GET /readyz: an Error while pods cannot be started.
Result<void> readiness(const Views& views);

void add_view_routes(HttpRouter& router, const Views& views);

// GET /metrics alone.
void add_metrics_route(HttpRouter& router, const Views& views);

}  // namespace fsm
