#include "interceptor/api/http_router.h"

#include <httplib.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "interceptor/log/log.h"

namespace fsm {

namespace {

// One request in memory, and the response to it.
class MemoryStream final : public httplib::Stream {
  public:
    explicit MemoryStream(std::string request) : request_(std::move(request)) {}

    bool is_readable() const override { return position_ < request_.size(); }
    bool is_writable() const override { return true; }
    ssize_t read(char* target, size_t size) override {
        const std::size_t count = std::min(size, request_.size() - position_);
        std::memcpy(target, request_.data() + position_, count);
        position_ += count;
        return static_cast<ssize_t>(count);
    }
    ssize_t write(const char* bytes, size_t size) override {
        response_.append(bytes, size);
        return static_cast<ssize_t>(size);
    }
    void get_remote_ip_and_port(std::string&, int&) const override {}
    void get_local_ip_and_port(std::string&, int&) const override {}
    socket_t socket() const override { return INVALID_SOCKET; }

    std::string take_response() { return std::move(response_); }

  private:
    std::string request_;
    std::size_t position_ = 0;
    std::string response_;
};

const char* phrase_of(int status) {
    switch (status) {
        case 400:
            return "Bad Request";
        case 403:
            return "Forbidden";
        case 408:
            return "Request Timeout";
        case 411:
            return "Length Required";
        case 413:
            return "Payload Too Large";
        case 414:
            return "URI Too Long";
        case 415:
            return "Unsupported Media Type";
        case 431:
            return "Request Header Fields Too Large";
        default:
            return "Refused";
    }
}

std::string what_of(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& exception) {
        return exception.what();
    } catch (...) {
        return "an exception without a message";
    }
}

void copy(const HttpResponse& from, httplib::Response& to) {
    to.status = from.status;
    to.set_content(from.body, from.content_type);
}

httplib::Server::Handler wrap(HttpHandler handler) {
    return [handler = std::move(handler)](const httplib::Request& request,
                                          httplib::Response& response) {
        copy(handler(request.body), response);
    };
}

}  // namespace

std::string raw_response(const HttpResponse& response) {
    return "HTTP/1.1 " + std::to_string(response.status) + " " + phrase_of(response.status) +
           "\r\nConnection: close\r\nContent-Type: " + response.content_type +
           "\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n\r\n" +
           response.body;
}

// A subclass gives access to the private routing: httplib::Server would create its own sockets.
class HttpRouter::Engine final : public httplib::Server {
  public:
    explicit Engine(const HttpRouter& router) : router_(router) {
        set_error_handler([this](const httplib::Request& request, httplib::Response& response) {
            render_error(request, response);
        });
        set_exception_handler([this](const httplib::Request& request, httplib::Response& response,
                                     const std::exception_ptr& thrown) {
            const std::string what = what_of(thrown);
            log::error("internal error while {} {} was served: {}", request.method, request.path,
                       what);
            copy(router_.error(500, HttpFault::internal,
                               "internal error while serving " + request.path, what),
                 response);
        });
        set_logger([](const httplib::Request& request, const httplib::Response& response) {
            // A request that is refused by its first line has no path yet.
            log::debug("request {} {} ({} bytes) answered with {} ({} bytes)", request.method,
                       request.path.empty() ? request.target : request.path, request.body.size(),
                       response.status, response.body.size());
        });
    }

    void add_route(const std::string& path, const std::string& method) {
        methods_[path].insert(method);
    }

    std::string respond(std::string request) {
        MemoryStream stream(std::move(request));
        bool closed = false;
        // Ranges of a status are useless, and a list of them would be answered with a large body.
        process_request(stream, true, closed,
                        [](httplib::Request& parsed) { parsed.ranges.clear(); });
        return stream.take_response();
    }

  private:
    // Called for every status from 400 on; a handler's own body is kept.
    void render_error(const httplib::Request& request, httplib::Response& response) {
        if (!response.body.empty()) {
            return;
        }
        const auto known = methods_.find(request.path);
        if (response.status == 404 && known != methods_.end()) {
            std::string allowed;
            for (const auto& method : known->second) {
                allowed += (allowed.empty() ? "" : ", ") + method;
            }
            copy(router_.error(405, HttpFault::internal,
                               "method " + request.method + " is not allowed",
                               request.path + " knows " + allowed),
                 response);
            response.set_header("Allow", allowed);
        } else if (response.status == 404) {
            copy(router_.error(404, HttpFault::internal, "there is no such route", request.path),
                 response);
        } else {
            copy(router_.error(response.status, HttpFault::malformed,
                               "the request cannot be served", phrase_of(response.status)),
                 response);
        }
    }

    const HttpRouter& router_;
    std::map<std::string, std::set<std::string>> methods_;
};

HttpRouter::HttpRouter(HttpErrorBody error_body)
    : error_body_(std::move(error_body)), engine_(std::make_unique<Engine>(*this)) {}
HttpRouter::~HttpRouter() = default;

void HttpRouter::get(const std::string& path, HttpHandler handler) {
    engine_->Get(path, wrap(std::move(handler)));
    engine_->add_route(path, "GET");
}

void HttpRouter::post(const std::string& path, HttpHandler handler) {
    engine_->Post(path, wrap(std::move(handler)));
    engine_->add_route(path, "POST");
}

std::string HttpRouter::respond(std::string request) const {
    auto response = engine_->respond(std::move(request));
    if (response.empty()) {
        log::debug("a request was refused: it is not HTTP");
        response =
            raw_response(error(400, HttpFault::malformed, "this is not an HTTP request", ""));
    }
    return response;
}

}  // namespace fsm
