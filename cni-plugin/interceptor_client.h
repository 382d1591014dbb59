// The interceptor's HTTP API as the plugin uses it.
//
//     POST /v1/cni/create-pod, /v1/cni/delete-pod, /v1/cni/check-pod
//          {"ContainerID", "Netns", "IfName", "Args", "Path", "StdinData", "NetnsOverride"?}
//     POST /v1/cni/gc       {"Path", "StdinData"}
//     GET  /v1/cni/status
// StdinData is stdin in base64. Success is 200, with the body "ok" for the first three. A failure
// is any other status, with {"code", "msg", "details"} as body: `code` is a CNI error code. Text
// that is not that is taken as the message.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cni-plugin/cni_error.h"
#include "cni-plugin/environment.h"
#include "cni-plugin/http_client.h"

namespace fsm {

// Each call returns nothing when it succeeded. Without an answer, the error has code 11, or 5 when
// what answered is not the interceptor; for status() it is always 50.
class InterceptorClient {
  public:
    InterceptorClient(std::string socket_path, Deadline deadline)
        : socket_path_(std::move(socket_path)), deadline_(deadline) {}

    std::optional<CniError> create_pod(const Environment& environment,
                                       std::string_view stdin_data) const;
    std::optional<CniError> delete_pod(const Environment& environment,
                                       std::string_view stdin_data) const;
    std::optional<CniError> check_pod(const Environment& environment,
                                      std::string_view stdin_data) const;
    std::optional<CniError> collect_garbage(const Environment& environment,
                                            std::string_view stdin_data) const;
    std::optional<CniError> status() const;

  private:
    std::optional<CniError> post_pod(std::string_view target, const Environment& environment,
                                     std::string_view stdin_data) const;
    CniError no_answer(const HttpRequest& request, const Error& error) const;

    std::string socket_path_;
    Deadline deadline_;
};

}  // namespace fsm
