// ApiServer: a small API server over TLS. It keeps objects with resource versions, lists them in
// pages, watches them with bookmarks, and expires old versions on request; a test can also make it
// answer the next request wrongly in any way.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "test_certificates.h"

struct ssl_ctx_st;
struct ssl_st;

namespace fsm::testing {

struct ReceivedRequest {
    std::string method;
    std::string path;   // without the query
    std::string query;  // as it came, percent-encoded
    std::string token;  // without "Bearer "
    std::string content_type;
    std::string host;
    std::string body;
    std::uint64_t watch_generation = 0;  // how often watches had been ended before it came

    // The decoded value of a query parameter; empty if it is missing.
    std::string parameter(const std::string& key) const;
    bool is_watch() const { return parameter("watch") == "1"; }
};

// One answer, written byte by byte.
class Exchange {
  public:
    Exchange(const ReceivedRequest& request, ssl_st* tls) : request_(request), tls_(tls) {}

    const ReceivedRequest& request() const { return request_; }
    // False if the client has disconnected.
    bool raw(const std::string& bytes);
    bool answer(int status, const std::string& body);
    bool answer(int status, const char* body) { return answer(status, std::string(body)); }
    bool answer(int status, const nlohmann::json& body) { return answer(status, body.dump()); }
    // {"kind":"Status"}.
    bool refuse(int status, const std::string& reason, const std::string& message);
    // A body that comes in pieces; without end_chunks() it is truncated.
    bool begin_chunks();
    bool chunk(const std::string& bytes);
    bool end_chunks();
    // The connection is closed after this exchange.
    void close() { keep_ = false; }
    bool keeps() const { return keep_; }

  private:
    const ReceivedRequest& request_;
    ssl_st* tls_;
    bool keep_ = true;
};

using Behaviour = std::function<void(Exchange&)>;

class ApiServer {
  public:
    // `client_authority`: clients must present a certificate of it; empty: none is needed.
    explicit ApiServer(const TestCertificate& certificate,
                       const std::string& client_authority = "");
    ~ApiServer();
    ApiServer(const ApiServer&) = delete;
    ApiServer& operator=(const ApiServer&) = delete;

    std::uint16_t port() const { return port_; }
    // Refuses connections, and breaks existing ones; and serves again at the same port.
    void stop();
    void start();

    // Objects by their place: collection "/api/v1/pods", or "/apis/apps/v1/daemonsets".
    void put(const std::string& collection, nlohmann::json object);
    void erase(const std::string& collection, const std::string& name_space,
               const std::string& name);
    // A request for an earlier version is answered with 410.
    void forget_history();
    // Ends every watch now, as at the end of its time.
    void end_watches();

    void set_bookmarks(std::chrono::milliseconds interval);
    // Requests with another token are answered with 401; empty: every token is accepted.
    void set_token(const std::string& token);
    // The next matching request is handled by `behaviour` instead.
    void next(const std::function<bool(const ReceivedRequest&)>& fits, Behaviour behaviour);
    // Every matching request, until the next call.
    void always(const std::function<bool(const ReceivedRequest&)>& fits, Behaviour behaviour);

    std::vector<ReceivedRequest> requests() const;
    std::size_t count(const std::function<bool(const ReceivedRequest&)>& fits) const;
    std::vector<nlohmann::json> posted() const;

  private:
    using Fits = std::function<bool(const ReceivedRequest&)>;
    struct Change {
        std::uint64_t version;
        std::string collection;
        nlohmann::json before;  // null: there was none
        nlohmann::json after;   // null: there is none
    };
    struct Connection {
        std::thread thread;
        int socket = -1;
        bool ended = false;
    };

    void accept_until_stopped();
    void serve(Connection& connection);
    bool read_request(ssl_st* tls, std::string& buffer, ReceivedRequest& request) const;
    Behaviour accept(ReceivedRequest& request);
    void handle_by_default(Exchange& exchange);
    void list(Exchange& exchange);
    void watch(Exchange& exchange);
    void get_one(Exchange& exchange, const std::string& collection, const std::string& key);
    void patch_one(Exchange& exchange, const std::string& collection, const std::string& key);
    std::vector<nlohmann::json> events_after(const ReceivedRequest& request,
                                             std::uint64_t& version) const;

    ssl_ctx_st* context_ = nullptr;
    std::uint16_t port_ = 0;
    int listener_ = -1;
    std::thread accepting_;
    std::atomic<bool> stopping_ = false;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::list<Connection> connections_;
    std::map<std::string, std::map<std::string, nlohmann::json>> objects_;
    std::vector<Change> history_;
    std::uint64_t version_ = 100;
    std::uint64_t oldest_version_ = 0;
    std::uint64_t watch_generation_ = 0;
    std::chrono::milliseconds bookmarks_{0};
    std::string token_;
    std::deque<std::pair<Fits, Behaviour>> next_;
    std::pair<Fits, Behaviour> always_;
    std::vector<ReceivedRequest> requests_;
    std::vector<nlohmann::json> posted_;
};

}  // namespace fsm::testing
