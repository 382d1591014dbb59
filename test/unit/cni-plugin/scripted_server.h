// A server on a Unix socket that runs a test's script on each connection: well-behaved or hostile.
// One thread, one connection at a time.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/fd.h"
#include "test/unit/cni-plugin/temporary_directory.h"

namespace fsm::test {

// One accepted connection, closed when the script returns.
class Peer {
  public:
    explicit Peer(Fd socket) : socket_(std::move(socket)) {}

    // Reads the head, and the body that its Content-Length announces.
    std::string read_request();
    // False if the client has disconnected.
    bool send(std::string_view bytes);
    // Returns when the client has closed its end.
    void wait_for_close();

  private:
    Fd socket_;
};

class ScriptedServer {
  public:
    using Script = std::function<void(Peer&)>;

    explicit ScriptedServer(Script script);
    ScriptedServer(const ScriptedServer&) = delete;
    ScriptedServer& operator=(const ScriptedServer&) = delete;
    ~ScriptedServer();

    const std::string& socket_path() const { return socket_path_; }

  private:
    void serve();

    TemporaryDirectory directory_;
    std::string socket_path_;
    Script script_;
    Fd listener_;
    std::thread thread_;
};

// Records the requests and gives one answer to all of them.
class AnsweringServer {
  public:
    AnsweringServer(int status, std::string body);

    const std::string& socket_path() const { return server_.socket_path(); }
    std::vector<std::string> requests() const;

  private:
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;
    int status_;
    std::string body_;
    ScriptedServer server_;  // last: its thread uses the members above
};

// The body of a request.
std::string body_of(const std::string& request);

}  // namespace fsm::test
