// The plugin's client for the interceptor's API (common/cni/request.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cni-plugin/deadline.h"
#include "common/cni/error.h"
#include "common/cni/request.h"
#include "common/http/unix_client.h"

namespace fsm::plugin {

// Each call returns nothing on success. Without an answer, the error has code 11, or 5 if another
// program than the interceptor answered; for status() it is always 50.
class InterceptorClient {
  public:
    InterceptorClient(std::string socket_path, Deadline deadline)
        : socket_path_(std::move(socket_path)), deadline_(deadline) {}

    std::optional<cni::Error> create_pod(const cni::Request& request) const;
    std::optional<cni::Error> delete_pod(const cni::Request& request) const;
    std::optional<cni::Error> check_pod(const cni::Request& request) const;
    // For the network that stdin names; the rest of the request is empty.
    std::optional<cni::Error> collect_garbage(const cni::Request& request) const;
    std::optional<cni::Error> status() const;

  private:
    std::optional<cni::Error> post_pod(std::string_view target, const cni::Request& request) const;
    cni::Error no_answer(const http::Request& request, const Error& error) const;

    std::string socket_path_;
    Deadline deadline_;
};

}  // namespace fsm::plugin
