// The CNI plugin's routes: POST /v1/cni/create-pod, delete-pod, check-pod, gc; GET /v1/cni/status.
//
// Bodies are those of common/cni/request.h. Success: 200 "ok". Failure: {"code","msg","details"}
// with a CNI error code, and status 400 for an invalid request, 503 for "try again later" and for
// STATUS, otherwise 500.
#pragma once

#include "interceptor/api/http_router.h"
#include "interceptor/api/request_meter.h"
#include "interceptor/sync/enroller.h"

namespace fsm {

// Enroller and meter must outlive the router.
void add_cni_routes(HttpRouter& router, Enroller& enroller, RequestMeter& meter);

// 200 "ok", or the error.
HttpResponse response_of(const CniOutcome& outcome);

// {"code","msg","details"}: the form of every error of the API, those of its views and of requests
// that no handler has seen among them.
HttpResponse error_response(int status, CniErrorCode code, const std::string& message,
                            const std::string& details);
std::string error_body_of(HttpFault fault, const std::string& message, const std::string& details);

}  // namespace fsm
