// A test with an API server, its certificates, and pods for it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "api_server.h"
#include "interceptor/kubernetes/cluster_access.h"
#include "interceptor/log/log.h"
#include "temporary_directory.h"
#include "test/unit/eventually.h"
#include "test_certificates.h"

namespace fsm::testing {

using namespace std::chrono_literals;

inline const char* const kPods = "/api/v1/pods";

inline nlohmann::json pod_object(const std::string& name, const std::string& uid,
                                 const std::string& node = "n1") {
    return {{"kind", "Pod"},
            {"metadata", {{"name", name}, {"namespace", "shop"}, {"uid", uid}}},
            {"spec", {{"nodeName", node}, {"containers", {{{"name", "app"}}}}}},
            {"status", {{"phase", "Running"}}}};
}

inline bool is_list(const ReceivedRequest& request) {
    return request.path == kPods && !request.is_watch();
}
inline bool is_watch(const ReceivedRequest& request) {
    return request.is_watch();
}
inline bool is_find(const ReceivedRequest& request) {
    return request.method == "GET" &&
           request.path.find("/namespaces/shop/pods/") != std::string::npos;
}

class ApiTest : public ::testing::Test {
  protected:
    ApiTest() { log::set_up(log::Level::off); }

    ClusterAccess access() const {
        ClusterAccess made;
        made.host = "127.0.0.1";
        made.port = server_.port();
        made.authority.text = authority_.certificate();
        return made;
    }

    TemporaryDirectory directory_;
    TestAuthority authority_;
    TestCertificate certificate_ = authority_.issue("api", {"IP:127.0.0.1", "DNS:api.test"});
    ApiServer server_{certificate_};
};

}  // namespace fsm::testing
