#include "interceptor/kubernetes/api_client.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/text.h"
#include "interceptor/kubernetes/api_connection.h"

namespace fsm {

namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr std::size_t kMostIdle = 4;
// Limit for the body of an error: a Status object.
constexpr std::size_t kFailureLimit = std::size_t{64} << 10;
constexpr std::size_t kLongestMessage = 512;
// The answer to a PATCH is the changed object.
constexpr std::size_t kPatchedLimit = std::size_t{4} << 20;
constexpr const char* kJson = "application/json";
constexpr const char* kJsonPatch = "application/json-patch+json";

// The API's Status object for an error; not an object if the body is none.
json status_object(const std::string& body) {
    json document = json::parse(body, nullptr, false);
    const bool is_status = document.is_object() && document.value("kind", json()) == "Status";
    return is_status ? std::move(document) : json();
}

std::string text_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

httplib::Request to_http(const std::string& method, const std::string& path,
                         const std::string& host, const std::string& token) {
    httplib::Request message;
    message.method = method;
    message.path = path;
    message.headers = {{"Host", host},
                       {"Accept", kJson},
                       {"Accept-Encoding", "identity"},
                       {"User-Agent", "fsm-interceptor"}};
    if (!token.empty()) {
        message.headers.emplace("Authorization", "Bearer " + token);
    }
    return message;
}

}  // namespace

std::string ApiAnswer::describe() const {
    std::string text = std::to_string(status);
    const json object = status_object(body);
    if (object.is_object()) {
        const std::string reason = text_of(object, "reason");
        text += (reason.empty() ? "" : " " + reason) + ": " + text_of(object, "message");
    }
    return printable(text.substr(0, kLongestMessage));
}

bool ApiAnswer::is_not_found() const {
    return status == 404 && text_of(status_object(body), "reason") == "NotFound";
}

std::string encoded(std::string_view text) {
    constexpr std::string_view kPlain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    constexpr char kDigits[] = "0123456789ABCDEF";
    std::string result;
    for (const char c : text) {
        if (kPlain.find(c) != std::string_view::npos) {
            result += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            result += '%';
            result += kDigits[byte >> 4];
            result += kDigits[byte & 15];
        }
    }
    return result;
}

struct ApiClient::Request {
    std::string path;
    RequestTimes times;
    std::size_t limit = kFailureLimit;
    const char* method = "GET";
    const char* content_type = kJson;
    const std::string* content = nullptr;  // of a POST or PATCH
    const StreamTaker* stream = nullptr;   // takes a body of status 200
};

// A connection in use; returns it to the pool.
class ApiClient::Lease {
  public:
    Lease(ApiClient& client, std::unique_ptr<ApiConnection> connection)
        : client_(client), connection_(std::move(connection)) {}
    ~Lease() { client_.give_back(std::move(connection_), reusable_); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    ApiConnection& connection() { return *connection_; }
    // The answer was read to its end.
    void keep() { reusable_ = true; }

  private:
    ApiClient& client_;
    std::unique_ptr<ApiConnection> connection_;
    bool reusable_ = false;
};

// Receives one answer, within its limits.
class ApiClient::Receiver {
  public:
    explicit Receiver(const Request& request)
        : request_(request), deadline_(Clock::now() + request.times.whole) {}

    void begin(int status) {
        answer_.status = status;
        if (streams() && request_.stream->opened) {
            request_.stream->opened();
        }
    }
    bool take(std::string_view data) {
        if (streams()) {
            had_enough_ = !request_.stream->take(data);
            return !had_enough_;
        }
        too_late_ = Clock::now() > deadline_;
        too_large_ = answer_.body.size() + data.size() > limit();
        if (!too_late_ && !too_large_) {
            answer_.body.append(data);
        }
        return !too_late_ && !too_large_;
    }
    // Whether anything of an answer came.
    bool began() const { return answer_.status != 0; }
    // After take() has ended the exchange.
    Result<ApiAnswer> ended_early() {
        if (too_late_) {
            return Error("the answer did not end in time", ETIMEDOUT);
        }
        if (too_large_ && answer_.ok()) {
            return Error("the answer has more than " + std::to_string(limit()) + " bytes", EFBIG);
        }
        return answer();  // a stream; or a refusal by something that is not the API
    }
    ApiAnswer answer() { return std::move(answer_); }

  private:
    bool streams() const { return request_.stream != nullptr && answer_.status == 200; }
    std::size_t limit() const { return answer_.ok() ? request_.limit : kFailureLimit; }

    const Request& request_;
    const Clock::time_point deadline_;
    ApiAnswer answer_;
    bool too_large_ = false;
    bool too_late_ = false;
    bool had_enough_ = false;
};

ApiClient::ApiClient(ClusterAccess access, std::chrono::milliseconds connect_time,
                     std::chrono::milliseconds token_lifetime)
    : access_(std::move(access)),
      connect_time_(connect_time),
      token_(access_.token, token_lifetime) {}

ApiClient::~ApiClient() = default;

Result<ApiAnswer> ApiClient::get(const std::string& path, std::size_t limit, RequestTimes times) {
    return send({.path = path, .times = times, .limit = limit});
}

Result<ApiAnswer> ApiClient::post(const std::string& path, const std::string& json_text,
                                  RequestTimes times) {
    return send({.path = path, .times = times, .method = "POST", .content = &json_text});
}

Result<ApiAnswer> ApiClient::patch(const std::string& path, const std::string& patch,
                                   RequestTimes times) {
    return send({.path = path,
                 .times = times,
                 .limit = kPatchedLimit,
                 .method = "PATCH",
                 .content_type = kJsonPatch,
                 .content = &patch});
}

Result<ApiAnswer> ApiClient::stream(const std::string& path, std::chrono::milliseconds silence,
                                    const StreamTaker& taker) {
    // The limit for the whole is that of a refusal: a stream has none.
    return send({.path = path, .times = {silence, silence}, .stream = &taker});
}

// The token may have been replaced since it was read.
Result<ApiAnswer> ApiClient::send(const Request& request) {
    // Without the query, which differs each time.
    const std::string what = std::string(request.method) + " " + access_.url() +
                             request.path.substr(0, request.path.find('?'));
    auto token = token_.get();
    if (!token) {
        return std::move(token.error()).within(what);
    }
    auto answer = attempt(request, *token);
    if (answer && answer->status == 401 && token_.renew(*token)) {
        if (token = token_.get(); token) {
            answer = attempt(request, *token);
        }
    }
    if (!answer) {
        return std::move(answer.error()).within(what);
    }
    return answer;
}

// The server may have closed an idle connection, which shows only when it is used.
Result<ApiAnswer> ApiClient::attempt(const Request& request, const std::string& token) {
    if (auto idle = request.stream == nullptr ? take_idle() : nullptr) {
        FSM_TRY(begin(*idle));
        Lease lease(*this, std::move(idle));
        auto answer = exchange(lease, request, token);
        if (answer || answer.error().errno_value() != ECONNRESET) {
            return answer;
        }
    }
    FSM_ASSIGN(auto fresh, ApiConnection::make(access_, {connect_time_, request.times.silence}));
    FSM_TRY(begin(*fresh));
    Lease lease(*this, std::move(fresh));
    return exchange(lease, request, token);
}

Result<ApiAnswer> ApiClient::exchange(Lease& lease, const Request& request,
                                      const std::string& token) {
    Receiver receiver(request);
    auto message =
        to_http(request.method, access_.path_prefix + request.path, access_.host_and_port(), token);
    if (request.content != nullptr) {
        message.headers.emplace("Content-Type", request.content_type);
        message.body = *request.content;
    }
    message.response_handler = [&](const httplib::Response& response) {
        receiver.begin(response.status);
        return true;
    };
    message.content_receiver = [&](const char* data, std::size_t size, std::uint64_t,
                                   std::uint64_t) {
        return receiver.take({data, size});
    };
    lease.connection().http().set_read_timeout(request.times.silence);
    const auto result = lease.connection().http().send(message);
    if (result) {
        lease.keep();
        return receiver.answer();
    }
    if (result.error() == httplib::Error::Canceled) {
        return receiver.ended_early();
    }
    return Error(lease.connection().describe(result.error()),
                 receiver.began() ? ECONNABORTED : ECONNRESET);
}

std::unique_ptr<ApiConnection> ApiClient::take_idle() {
    constexpr std::chrono::seconds kLongestIdle{30};
    std::vector<IdleConnection> old;  // closed without the lock
    const std::lock_guard guard(mutex_);
    if (idle_.empty()) {
        return nullptr;
    }
    if (Clock::now() - idle_.back().since > kLongestIdle) {
        old.swap(idle_);
        return nullptr;
    }
    auto connection = std::move(idle_.back().connection);
    idle_.pop_back();
    return connection;
}

Result<void> ApiClient::begin(ApiConnection& connection) {
    const std::lock_guard guard(mutex_);
    if (interrupted_) {
        return Error("interrupted: the interceptor stops", ECANCELED);
    }
    busy_.insert(&connection);
    return {};
}

void ApiClient::give_back(std::unique_ptr<ApiConnection> connection, bool reusable) {
    std::unique_ptr<ApiConnection> surplus;  // closed without the lock
    const std::lock_guard guard(mutex_);
    busy_.erase(connection.get());
    if (reusable && idle_.size() < kMostIdle && !interrupted_) {
        idle_.push_back({std::move(connection), Clock::now()});
    } else {
        surplus = std::move(connection);
    }
    ended_.notify_all();
}

// stop() has no effect on a request that does not have its connection yet, so repeat it.
void ApiClient::interrupt() {
    constexpr std::chrono::milliseconds kAgain{20};
    std::unique_lock lock(mutex_);
    interrupted_ = true;
    while (!busy_.empty()) {
        for (ApiConnection* connection : busy_) {
            connection->stop();
        }
        ended_.wait_for(lock, kAgain);
    }
}

}  // namespace fsm
