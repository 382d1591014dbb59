// HttpRouter: converts the bytes of one HTTP request to the bytes of its response. cpp-httplib
// parses and writes HTTP; this header hides it from the rest.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

namespace fsm {

struct HttpResponse {
    int status = 200;
    std::string body;
    std::string content_type = "application/json";
};

// A handler gets the request's body and returns the response.
using HttpHandler = std::function<HttpResponse(const std::string& body)>;

// What is wrong with a request, where no handler says it.
enum class HttpFault : std::uint8_t {
    malformed,  // it is not HTTP, too large, or cut off
    too_slow,   // it was not complete in time
    forbidden,  // the client may not ask
    internal,   // there is no such route, or its handler threw
};
// The body of the response to it.
using HttpErrorBody =
    std::function<std::string(HttpFault, const std::string& message, const std::string& details)>;

// A complete response with Connection: close, for requests that do not reach a handler.
std::string raw_response(const HttpResponse& response);

// Threads: respond() may be called from any thread after all routes have been added.
class HttpRouter {
  public:
    explicit HttpRouter(HttpErrorBody error_body);
    ~HttpRouter();
    HttpRouter(const HttpRouter&) = delete;
    HttpRouter& operator=(const HttpRouter&) = delete;

    void get(const std::string& path, HttpHandler handler);
    void post(const std::string& path, HttpHandler handler);

    // `request` is complete; a request that is not HTTP is answered with 400.
    std::string respond(std::string request) const;
    // For a request that does not get so far.
    HttpResponse error(int status, HttpFault fault, const std::string& message,
                       const std::string& details) const {
        return {status, error_body_(fault, message, details)};
    }

  private:
    class Engine;

    const HttpErrorBody error_body_;
    std::unique_ptr<Engine> engine_;  // uses it
};

}  // namespace fsm
