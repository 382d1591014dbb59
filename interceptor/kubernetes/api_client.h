// ApiClient: requests to the Kubernetes API.
//
// An answer with any status is a success; an Error means that there was no complete answer. Paths
// are those of the API ("/api/v1/pods?limit=5"), with encoded parts (encoded()).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "interceptor/kubernetes/bearer_token.h"
#include "interceptor/kubernetes/cluster_access.h"

namespace fsm {

class ApiConnection;

struct ApiAnswer {
    int status = 0;
    std::string body;

    bool ok() const { return status >= 200 && status < 300; }
    // "403 Forbidden: pods is forbidden: ...": the status, and the message of the API's Status
    // object if the body is one.
    std::string describe() const;
    // Whether the API itself reports that the object does not exist; other servers at the address
    // may also answer 404.
    bool is_not_found() const;
};

// One part of a path or query, percent-encoded.
std::string encoded(std::string_view text);

// Receives the body of a stream in pieces.
struct StreamTaker {
    std::function<void()> opened;                // the server answered with status 200
    std::function<bool(std::string_view)> take;  // false: stop
};

// Time limits.
struct RequestTimes {
    std::chrono::milliseconds silence;  // between two pieces of the answer
    std::chrono::milliseconds whole;    // from the request to the last piece
};

// Threads: every function may be called from any thread.
class ApiClient {
  public:
    // `connect_time`: for TCP, and again for TLS. `token_lifetime`: see BearerToken.
    explicit ApiClient(ClusterAccess access,
                       std::chrono::milliseconds connect_time = std::chrono::seconds(3),
                       std::chrono::milliseconds token_lifetime = std::chrono::minutes(1));
    // No request may be in progress.
    ~ApiClient();
    ApiClient(const ApiClient&) = delete;
    ApiClient& operator=(const ApiClient&) = delete;

    std::string url() const { return access_.url(); }

    // An answer of more than `limit` bytes is an Error with errno EFBIG.
    Result<ApiAnswer> get(const std::string& path, std::size_t limit, RequestTimes times);
    Result<ApiAnswer> post(const std::string& path, const std::string& json, RequestTimes times);
    // `patch`: a JSON Patch (RFC 6902).
    Result<ApiAnswer> patch(const std::string& path, const std::string& patch, RequestTimes times);
    // Passes the body of an answer with status 200 to the taker in pieces, until it ends or the
    // taker stops; the returned answer's body is empty then. An Error if the stream breaks off. The
    // whole time is not limited.
    Result<ApiAnswer> stream(const std::string& path, std::chrono::milliseconds silence,
                             const StreamTaker& taker);

    // Cancels all requests, and later ones, with an Error; returns when none is in progress.
    void interrupt();

  private:
    struct Request;
    class Lease;
    class Receiver;
    struct IdleConnection {
        std::unique_ptr<ApiConnection> connection;
        std::chrono::steady_clock::time_point since;
    };

    Result<ApiAnswer> send(const Request& request);
    Result<ApiAnswer> attempt(const Request& request, const std::string& token);
    Result<ApiAnswer> exchange(Lease& lease, const Request& request, const std::string& token);
    std::unique_ptr<ApiConnection> take_idle();
    Result<void> begin(ApiConnection& connection);
    void give_back(std::unique_ptr<ApiConnection> connection, bool reusable);

    const ClusterAccess access_;
    const std::chrono::milliseconds connect_time_;
    BearerToken token_;
    std::mutex mutex_;
    std::condition_variable ended_;
    bool interrupted_ = false;
    std::set<ApiConnection*> busy_;
    std::vector<IdleConnection> idle_;
};

}  // namespace fsm
