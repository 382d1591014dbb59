// ApiConnection: one connection to the Kubernetes API, with TLS as set by ClusterAccess.
// cpp-httplib does HTTP; OpenSSL does TLS and verifies the server. Internal to this folder.
#pragma once

#include <httplib.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "common/result.h"
#include "interceptor/kubernetes/cluster_access.h"

namespace fsm {

struct ConnectionTimes {
    std::chrono::milliseconds connect{3000};  // for TCP, and again for TLS
    std::chrono::milliseconds silence{5000};  // between two pieces of an answer
};

// Only stop() may be called from another thread.
class ApiConnection {
  public:
    // Reads certificates and key; connects at the first request.
    static Result<std::unique_ptr<ApiConnection>> make(const ClusterAccess& access,
                                                       const ConnectionTimes& times);
    ~ApiConnection() = default;
    ApiConnection(const ApiConnection&) = delete;
    ApiConnection& operator=(const ApiConnection&) = delete;

    httplib::SSLClient& http() { return client_; }
    // The error message; `failure` is cpp-httplib's code.
    std::string describe(httplib::Error failure) const;
    // Cancels a request that is in progress in another thread.
    void stop() { client_.stop(); }

  private:
    ApiConnection(const ClusterAccess& access, const std::string& tls_name);

    void set_times(const ConnectionTimes& times);
    Result<void> set_up_tls(const ClusterAccess& access, const std::string& tls_name);
    Result<void> trust(const ClusterAccess& access);
    Result<void> expect_name(const std::string& name);
    Result<void> show_certificate(const ClusterAccess& access);
    static int note_verification(int accepted, X509_STORE_CTX* context);

    httplib::SSLClient client_;
    std::string verification_failure_;
};

}  // namespace fsm
