// HttpRouter: from the bytes of one HTTP request to the bytes of its response. Parsing and writing
// of HTTP is cpp-httplib's; this header keeps it out of the rest.
#pragma once

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

// A handler gets the request's body and returns the one response that is sent.
using HttpHandler = std::function<HttpResponse(const std::string& body)>;

// {"code","msg","details"}: the form of every error.
HttpResponse error_response(int status, int cni_code, const std::string& message,
                            const std::string& details);
// A whole response with Connection: close, for what never gets to a handler.
std::string raw_response(const HttpResponse& response);

// Threads: respond() may be called from any thread once all routes are there.
class HttpRouter {
  public:
    HttpRouter();
    ~HttpRouter();
    HttpRouter(const HttpRouter&) = delete;
    HttpRouter& operator=(const HttpRouter&) = delete;

    void get(const std::string& path, HttpHandler handler);
    void post(const std::string& path, HttpHandler handler);

    // `request` is complete; one that is not HTTP is answered with 400.
    std::string respond(std::string request) const;

  private:
    class Engine;

    std::unique_ptr<Engine> engine_;
};

}  // namespace fsm
