#include "test/unit/cni-plugin/scripted_server.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>

namespace fsm::test {

namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";

std::size_t announced_length(const std::string& head) {
    constexpr std::string_view kName = "Content-Length: ";
    const auto at = head.find(kName);
    return at == std::string::npos ? 0 : std::stoul(head.substr(at + kName.size(), 20));
}

}  // namespace

std::string Peer::read_request() {
    std::string request;
    std::array<char, 4096> buffer;
    while (true) {
        const auto head_end = request.find(kHeadEnd);
        if (head_end != std::string::npos &&
            request.size() >= head_end + kHeadEnd.size() + announced_length(request)) {
            return request;
        }
        const ssize_t count = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
        if (count <= 0) {
            return request;
        }
        request.append(buffer.data(), static_cast<std::size_t>(count));
    }
}

bool Peer::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count < 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

void Peer::wait_for_close() {
    std::array<char, 4096> buffer;
    while (::recv(socket_.get(), buffer.data(), buffer.size(), 0) > 0) {
    }
}

ScriptedServer::ScriptedServer(Script script)
    : socket_path_(directory_.path() + "/socket"),
      script_(std::move(script)),
      listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    constexpr int kBacklog = 8;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_path_.c_str(), socket_path_.size());
    if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
            0 ||
        ::listen(listener_.get(), kBacklog) != 0) {
        ADD_FAILURE() << "listen on " << socket_path_ << ": " << std::strerror(errno);
    }
    thread_ = std::thread([this] { serve(); });
}

ScriptedServer::~ScriptedServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);  // wakes accept
    thread_.join();
}

void ScriptedServer::serve() {
    while (true) {
        Fd socket(::accept(listener_.get(), nullptr, nullptr));
        if (!socket) {
            return;
        }
        Peer peer(std::move(socket));
        script_(peer);
    }
}

AnsweringServer::AnsweringServer(int status, std::string body)
    : status_(status), body_(std::move(body)), server_([this](Peer& peer) {
          std::string request = peer.read_request();
          {
              const std::scoped_lock lock(mutex_);
              requests_.push_back(std::move(request));
          }
          peer.send("HTTP/1.1 " + std::to_string(status_) +
                    " X\r\nContent-Length: " + std::to_string(body_.size()) + "\r\n\r\n" + body_);
      }) {}

std::vector<std::string> AnsweringServer::requests() const {
    const std::scoped_lock lock(mutex_);
    return requests_;
}

std::string body_of(const std::string& request) {
    const auto end = request.find(kHeadEnd);
    return end == std::string::npos ? "" : request.substr(end + kHeadEnd.size());
}

}  // namespace fsm::test
