#include "api_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace fsm::testing {

namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

std::string decoded(const std::string& text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            result += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
            i += 2;
        } else {
            result += text[i];
        }
    }
    return result;
}

std::string header(const std::string& head, const std::string& name) {
    const auto begin = head.find("\r\n" + name + ": ");
    if (begin == std::string::npos) {
        return "";
    }
    const auto value = begin + name.size() + 4;
    return head.substr(value, head.find("\r\n", value) - value);
}

X509* read_certificate(const std::string& pem) {
    BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    return certificate;
}

std::string key_of(const json& object) {
    return object.at("metadata").value("namespace", "") + "/" +
           object.at("metadata").at("name").get<std::string>();
}

std::string field(const json& object, const std::string& path) {
    const json* at = &object;
    std::string rest = path;
    while (!rest.empty()) {
        const auto dot = rest.find('.');
        const std::string key = rest.substr(0, dot);
        if (!at->is_object() || !at->contains(key)) {
            return "";
        }
        at = &at->at(key);
        rest = dot == std::string::npos ? "" : rest.substr(dot + 1);
    }
    return at->is_string() ? at->get<std::string>() : at->dump();
}

// "a=b,c!=d"
bool selected(const json& object, const std::string& selector) {
    if (object.is_null()) {
        return false;
    }
    std::string rest = selector;
    while (!rest.empty()) {
        const auto comma = rest.find(',');
        const std::string term = rest.substr(0, comma);
        rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
        const auto equal = term.find('=');
        const bool negated = term[equal - 1] == '!';
        const bool same =
            field(object, term.substr(0, negated ? equal - 1 : equal)) == term.substr(equal + 1);
        if (same == negated) {
            return false;
        }
    }
    return true;
}

// The collection of a request, with or without a namespace.
std::string collection_of(const std::string& path) {
    const auto mark = path.find("/namespaces/");
    return mark == std::string::npos
               ? path
               : path.substr(0, mark) + path.substr(path.find('/', mark + 12));
}

}  // namespace

std::string ReceivedRequest::parameter(const std::string& key) const {
    std::string rest = query;
    while (!rest.empty()) {
        const auto end = rest.find('&');
        const std::string part = rest.substr(0, end);
        if (part.rfind(key + "=", 0) == 0) {
            return decoded(part.substr(key.size() + 1));
        }
        rest = end == std::string::npos ? "" : rest.substr(end + 1);
    }
    return "";
}

// ---- one answer

bool Exchange::raw(const std::string& bytes) {
    return bytes.empty() || SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size())) > 0;
}

bool Exchange::answer(int status, const std::string& body) {
    return raw("HTTP/1.1 " + std::to_string(status) +
               " Some Reason\r\nContent-Type: application/json\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n" + body);
}

bool Exchange::refuse(int status, const std::string& reason, const std::string& message) {
    return answer(status, json{{"kind", "Status"},
                               {"status", "Failure"},
                               {"code", status},
                               {"reason", reason},
                               {"message", message}});
}

bool Exchange::begin_chunks() {
    keep_ = false;
    return raw(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n");
}

bool Exchange::chunk(const std::string& bytes) {
    char size[32];
    snprintf(size, sizeof(size), "%zx\r\n", bytes.size());
    return raw(size + bytes + "\r\n");
}

bool Exchange::end_chunks() {
    return raw("0\r\n\r\n");
}

// ---- life

ApiServer::ApiServer(const TestCertificate& certificate, const std::string& client_authority)
    : context_(SSL_CTX_new(TLS_server_method())) {
    signal(SIGPIPE, SIG_IGN);  // clients disconnect
    X509* own = read_certificate(certificate.certificate);
    SSL_CTX_use_certificate(context_, own);
    X509_free(own);
    BIO* bio = BIO_new_mem_buf(certificate.key.data(), static_cast<int>(certificate.key.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    SSL_CTX_use_PrivateKey(context_, key);
    EVP_PKEY_free(key);
    if (!client_authority.empty()) {
        X509* authority = read_certificate(client_authority);
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), authority);
        X509_free(authority);
        SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    start();
}

ApiServer::~ApiServer() {
    stop();
    SSL_CTX_free(context_);
}

void ApiServer::start() {
    stopping_ = false;
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    socklen_t size = sizeof(address);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        listen(listener_, 128) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        ADD_FAILURE() << "cannot listen on 127.0.0.1:" << port_ << ": " << strerror(errno);
    }
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread([this] { accept_until_stopped(); });
}

void ApiServer::stop() {
    if (!accepting_.joinable()) {
        return;
    }
    stopping_ = true;
    shutdown(listener_, SHUT_RDWR);
    accepting_.join();
    close(listener_);
    {
        const std::lock_guard guard(mutex_);
        for (Connection& connection : connections_) {
            if (!connection.ended) {
                shutdown(connection.socket, SHUT_RDWR);
            }
        }
        changed_.notify_all();
    }
    for (Connection& connection : connections_) {
        connection.thread.join();
    }
    connections_.clear();
}

void ApiServer::accept_until_stopped() {
    while (!stopping_) {
        const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket < 0) {
            continue;
        }
        const std::lock_guard guard(mutex_);
        Connection& connection = connections_.emplace_back();
        connection.socket = socket;
        connection.thread = std::thread([this, &connection] { serve(connection); });
    }
}

void ApiServer::serve(Connection& connection) {
    SSL* tls = SSL_new(context_);
    SSL_set_fd(tls, connection.socket);
    if (SSL_accept(tls) == 1) {
        std::string buffer;
        bool keep = true;
        while (keep && !stopping_) {
            ReceivedRequest request;
            if (!read_request(tls, buffer, request)) {
                break;
            }
            const Behaviour behaviour = accept(request);
            Exchange exchange(request, tls);
            behaviour(exchange);
            keep = exchange.keeps();
        }
    }
    SSL_free(tls);
    const std::lock_guard guard(mutex_);
    connection.ended = true;
    close(connection.socket);
}

bool ApiServer::read_request(SSL* tls, std::string& buffer, ReceivedRequest& request) const {
    std::size_t needed = std::string::npos;
    std::size_t body = 0;
    while (needed == std::string::npos || buffer.size() < needed) {
        char bytes[4096];
        const auto end = buffer.find("\r\n\r\n");
        if (end != std::string::npos) {
            const std::string length = header(buffer.substr(0, end + 2), "Content-Length");
            body = end + 4;
            needed = body + (length.empty() ? 0 : std::stoul(length));
            if (buffer.size() >= needed) {
                break;
            }
        }
        const int count = SSL_read(tls, bytes, sizeof(bytes));
        if (count <= 0) {
            return false;
        }
        buffer.append(bytes, static_cast<std::size_t>(count));
    }
    const std::string head = buffer.substr(0, body - 2);
    request.body = buffer.substr(body, needed - body);
    buffer.erase(0, needed);
    const auto space = head.find(' ');
    request.method = head.substr(0, space);
    const std::string target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
    const auto question = target.find('?');
    request.path = target.substr(0, question);
    request.query = question == std::string::npos ? "" : target.substr(question + 1);
    request.host = header(head, "Host");
    request.content_type = header(head, "Content-Type");
    const std::string authorization = header(head, "Authorization");
    request.token = authorization.rfind("Bearer ", 0) == 0 ? authorization.substr(7) : "";
    return true;
}

// ---- control by the tests

void ApiServer::put(const std::string& collection, json object) {
    const std::lock_guard guard(mutex_);
    object["metadata"]["resourceVersion"] = std::to_string(++version_);
    json& place = objects_[collection][key_of(object)];
    history_.push_back({version_, collection, place, object});
    place = std::move(object);
    changed_.notify_all();
}

void ApiServer::erase(const std::string& collection, const std::string& name_space,
                      const std::string& name) {
    const std::lock_guard guard(mutex_);
    auto& all = objects_[collection];
    const auto found = all.find(name_space + "/" + name);
    if (found == all.end()) {
        ADD_FAILURE() << name << " is not there";
        return;
    }
    json before = found->second;
    before["metadata"]["resourceVersion"] = std::to_string(++version_);
    history_.push_back({version_, collection, std::move(before), json()});
    all.erase(found);
    changed_.notify_all();
}

void ApiServer::forget_history() {
    const std::lock_guard guard(mutex_);
    oldest_version_ = ++version_;
}

void ApiServer::end_watches() {
    const std::lock_guard guard(mutex_);
    ++watch_generation_;
    changed_.notify_all();
}

void ApiServer::set_bookmarks(std::chrono::milliseconds interval) {
    const std::lock_guard guard(mutex_);
    bookmarks_ = interval;
}

void ApiServer::set_token(const std::string& token) {
    const std::lock_guard guard(mutex_);
    token_ = token;
}

void ApiServer::next(const Fits& fits, Behaviour behaviour) {
    const std::lock_guard guard(mutex_);
    next_.emplace_back(fits, std::move(behaviour));
}

void ApiServer::always(const Fits& fits, Behaviour behaviour) {
    const std::lock_guard guard(mutex_);
    always_ = {fits, std::move(behaviour)};
}

std::vector<ReceivedRequest> ApiServer::requests() const {
    const std::lock_guard guard(mutex_);
    return requests_;
}

std::size_t ApiServer::count(const Fits& fits) const {
    const std::lock_guard guard(mutex_);
    return static_cast<std::size_t>(std::count_if(requests_.begin(), requests_.end(), fits));
}

std::vector<json> ApiServer::posted() const {
    const std::lock_guard guard(mutex_);
    return posted_;
}

// ---- answers

// Counts the request and chooses its behaviour in one step: a change that a test makes after it has
// seen the count applies to the next request.
Behaviour ApiServer::accept(ReceivedRequest& request) {
    const std::lock_guard guard(mutex_);
    request.watch_generation = watch_generation_;
    requests_.push_back(request);
    const auto special = std::find_if(next_.begin(), next_.end(),
                                      [&](const auto& entry) { return entry.first(request); });
    if (special != next_.end()) {
        Behaviour behaviour = std::move(special->second);
        next_.erase(special);
        return behaviour;
    }
    if (always_.first && always_.first(request)) {
        return always_.second;
    }
    if (!token_.empty() && request.token != token_) {
        return [](Exchange& exchange) { exchange.refuse(401, "Unauthorized", "Unauthorized"); };
    }
    return [this](Exchange& exchange) { handle_by_default(exchange); };
}

void ApiServer::handle_by_default(Exchange& exchange) {
    const ReceivedRequest& request = exchange.request();
    if (request.method == "POST") {
        const std::lock_guard guard(mutex_);
        posted_.push_back(json::parse(request.body));
        exchange.answer(201, request.body);
        return;
    }
    // /api/v1/nodes/NAME
    constexpr std::string_view kNodes = "/api/v1/nodes/";
    if (request.path.starts_with(kNodes)) {
        const std::string key = "/" + request.path.substr(kNodes.size());
        return request.method == "PATCH" ? patch_one(exchange, "/api/v1/nodes", key)
                                         : get_one(exchange, "/api/v1/nodes", key);
    }
    // /PREFIX/namespaces/NAMESPACE/KIND[/NAME]
    const auto mark = request.path.find("/namespaces/");
    if (mark == std::string::npos) {
        return request.is_watch() ? watch(exchange) : list(exchange);
    }
    const std::string rest = request.path.substr(mark + 12);
    const auto kind = rest.find('/');
    const auto name = rest.find('/', kind + 1);
    const std::string collection =
        request.path.substr(0, mark) +
        rest.substr(kind, name == std::string::npos ? name : name - kind);
    if (name == std::string::npos) {
        return request.is_watch() ? watch(exchange) : list(exchange);
    }
    get_one(exchange, collection, rest.substr(0, kind) + rest.substr(name));
}

void ApiServer::get_one(Exchange& exchange, const std::string& collection, const std::string& key) {
    json object;
    {
        const std::lock_guard guard(mutex_);
        const auto found = objects_[collection].find(key);
        if (found != objects_[collection].end()) {
            object = found->second;
        }
    }
    if (object.is_null()) {
        exchange.refuse(404, "NotFound", "\"" + key + "\" not found");
    } else {
        exchange.answer(200, object);
    }
}

// As a real one: a failed test, or a missing path, is 422.
void ApiServer::patch_one(Exchange& exchange, const std::string& collection,
                          const std::string& key) {
    json object;
    {
        const std::lock_guard guard(mutex_);
        const auto found = objects_[collection].find(key);
        if (found != objects_[collection].end()) {
            object = found->second;
        }
    }
    if (object.is_null()) {
        exchange.refuse(404, "NotFound", "\"" + key + "\" not found");
        return;
    }
    try {
        json changed = object.patch(json::parse(exchange.request().body));
        put(collection, changed);
        exchange.answer(200, changed);
    } catch (const json::exception& failure) {
        exchange.refuse(422, "Invalid", failure.what());
    }
}

void ApiServer::list(Exchange& exchange) {
    const ReceivedRequest& request = exchange.request();
    json answer = {{"kind", "List"}, {"items", json::array()}};
    {
        const std::lock_guard guard(mutex_);
        // A position in the list: the version of the list, and the last key.
        const std::string place = request.parameter("continue");
        const std::string last = place.substr(std::min(place.size(), place.find(':') + 1));
        const std::uint64_t version = place.empty() ? version_ : std::stoull(place);
        if (version < oldest_version_) {
            exchange.refuse(410, "Expired", "The provided continue parameter is too old");
            return;
        }
        const std::string limit = request.parameter("limit");
        std::size_t left = limit.empty() ? SIZE_MAX : std::stoul(limit);
        answer["metadata"]["resourceVersion"] = std::to_string(version);
        std::string previous;
        for (const auto& [key, object] : objects_[collection_of(request.path)]) {
            if ((!place.empty() && key <= last) ||
                !selected(object, request.parameter("fieldSelector"))) {
                continue;
            }
            if (left-- == 0) {
                answer["metadata"]["continue"] = std::to_string(version) + ":" + previous;
                break;
            }
            answer["items"].push_back(object);
            previous = key;
        }
    }
    exchange.answer(200, answer);
}

// With the lock held. `version` advances to the last change that was checked.
std::vector<json> ApiServer::events_after(const ReceivedRequest& request,
                                          std::uint64_t& version) const {
    std::vector<json> events;
    const std::string selector = request.parameter("fieldSelector");
    for (const Change& change : history_) {
        if (change.version <= version || change.collection != collection_of(request.path)) {
            continue;
        }
        version = change.version;
        const bool was = selected(change.before, selector);
        const bool is = selected(change.after, selector);
        if (is) {
            events.push_back({{"type", was ? "MODIFIED" : "ADDED"}, {"object", change.after}});
        } else if (was) {
            json last = change.after.is_null() ? change.before : change.after;
            events.push_back({{"type", "DELETED"}, {"object", std::move(last)}});
        }
    }
    return events;
}

void ApiServer::watch(Exchange& exchange) {
    const ReceivedRequest& request = exchange.request();
    std::uint64_t version = std::stoull(request.parameter("resourceVersion"));
    const auto end =
        Clock::now() + std::chrono::seconds(std::stoi(request.parameter("timeoutSeconds")));
    std::unique_lock lock(mutex_);
    if (version < oldest_version_) {
        lock.unlock();
        // As a real one: the watch is accepted, and its first event says that the version has
        // expired.
        exchange.begin_chunks();
        exchange.chunk(json{{"type", "ERROR"},
                            {"object",
                             {{"kind", "Status"},
                              {"code", 410},
                              {"reason", "Expired"},
                              {"message", "too old resource version"}}}}
                           .dump() +
                       "\n");
        exchange.end_chunks();
        return;
    }
    lock.unlock();
    bool alive = exchange.begin_chunks();
    lock.lock();
    auto next_bookmark = Clock::now() + bookmarks_;
    while (alive && !stopping_ && request.watch_generation == watch_generation_ &&
           Clock::now() < end) {
        std::string text;
        for (const json& event : events_after(request, version)) {
            text += event.dump() + "\n";
        }
        if (bookmarks_.count() != 0 && Clock::now() >= next_bookmark) {
            next_bookmark = Clock::now() + bookmarks_;
            version = std::max(version, version_);
            text += json{{"type", "BOOKMARK"},
                         {"object",
                          {{"kind", "Pod"},
                           {"metadata", {{"resourceVersion", std::to_string(version)}}}}}}
                        .dump() +
                    "\n";
        }
        if (!text.empty()) {
            lock.unlock();
            alive = exchange.chunk(text);
            lock.lock();
            continue;
        }
        changed_.wait_for(lock, std::chrono::milliseconds(20));
    }
    lock.unlock();
    exchange.end_chunks();
}

}  // namespace fsm::testing
