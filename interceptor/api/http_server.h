// HttpServer: accepts the connections of a listener, one request each.
//
// One thread waits for all clients that have not yet sent a complete request; only complete
// requests reach the worker threads. So silent or very slow clients cost a descriptor for a bounded
// time, but no thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "common/fd.h"
#include "common/result.h"
#include "interceptor/api/http_router.h"
#include "interceptor/api/listener.h"
#include "interceptor/api/request_buffer.h"
#include "interceptor/api/worker_pool.h"

namespace fsm {

struct HttpLimits {
    std::size_t max_body = std::size_t{1} << 20;
    std::chrono::milliseconds request_time{5000};   // from accept to the request's last byte
    std::chrono::milliseconds response_time{5000};  // for the client to take the response
    // The limit of incomplete clients; a further one drops the oldest.
    std::size_t max_waiting = 512;
    std::size_t max_workers = 160;
};

class HttpServer {
  public:
    // Starts to serve. The router must outlive the server.
    static Result<std::unique_ptr<HttpServer>> start(std::unique_ptr<Listener> listener,
                                                     const HttpRouter& router,
                                                     HttpLimits limits = {});
    // Stops listening, waits for running requests, and drops the others.
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

  private:
    struct Client {
        Fd fd;
        std::chrono::steady_clock::time_point deadline;
        RequestBuffer request;
        bool draining = false;  // answered; its unread bytes are thrown away until it closes
    };

    HttpServer(std::unique_ptr<Listener> listener, const HttpRouter& router, HttpLimits limits,
               Fd wake);

    void loop();
    void turn();
    void accept_clients();
    void admit(Fd connection);
    // False: the client is finished and is removed.
    bool read_from(Client& client);
    void refuse(Client& client, int status, HttpFault fault, const std::string& message,
                const std::string& details);
    void hand_over(Client& client);
    void drop_late_clients();
    int poll_timeout() const;

    std::unique_ptr<Listener> listener_;
    const HttpRouter& router_;
    const HttpLimits limits_;
    Fd wake_;
    std::atomic<bool> stopping_ = false;
    std::list<Client> clients_;                             // of the thread alone; oldest first
    std::chrono::steady_clock::time_point accept_again_{};  // after running out of descriptors
    WorkerPool workers_;
    std::thread thread_;  // last: it uses the others
};

}  // namespace fsm
