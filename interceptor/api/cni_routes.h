// The CNI plugin's routes: POST /v1/cni/create-pod, delete-pod, check-pod, gc; GET /v1/cni/status.
//
// Body: {"ContainerID","Netns","IfName","Args","Path","StdinData"(base64),"NetnsOverride"?}; gc:
// {"Path","StdinData"}. Success: 200 "ok". Failure: {"code","msg","details"} with a CNI error code,
// and 400 for a request that is wrong, 503 for "try again later" and for STATUS, else 500.
#pragma once

#include "interceptor/api/http_router.h"
#include "interceptor/api/request_meter.h"
#include "interceptor/sync/enroller.h"

namespace fsm {

// Enroller and meter must outlive the router.
void add_cni_routes(HttpRouter& router, Enroller& enroller, RequestMeter& meter);

// 200 "ok", or the error.
HttpResponse response_of(const CniOutcome& outcome);

}  // namespace fsm
