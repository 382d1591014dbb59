#include "probe/server.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <optional>
#include <sstream>

namespace fsm::test {

namespace {

constexpr unsigned kConnectionLimitSeconds = 20;
constexpr std::size_t kMaxCommand = 256;

struct Command {
    std::string script;
    Family family = Family::v4;
    std::string case_name;
};

std::optional<Command> read_command(const Fd& fd) {
    std::string line;
    char byte = 0;
    while (line.size() < kMaxCommand) {
        if (::recv(fd.get(), &byte, 1, 0) != 1) {
            return std::nullopt;  // the client only wanted to connect
        }
        if (byte == '\n') {
            break;
        }
        line += byte;
    }
    Command command;
    std::string family;
    std::istringstream(line) >> command.script >> family >> command.case_name;
    for (const Family each : {Family::v4, Family::v6, Family::mapped}) {
        if (family == to_string(each)) {
            command.family = each;
        }
    }
    return command;
}

void tell_addresses(const Context& context, const Fd& fd, const Endpoint& from) {
    context.fact("accept", context.name_of(from));
    context.names_of_socket("", fd.get());
}

class ProbeServer {
  public:
    explicit ProbeServer(const Surroundings& around) : around_(around) {}

    Result<void> open() {
        for (const std::string_view address : {"0.0.0.0", "::"}) {
            for (const std::uint16_t port :
                 {around_.port, around_.second_port, around_.server_first_port}) {
                FSM_ASSIGN(const Endpoint endpoint, Endpoint::parse(address, port));
                FSM_ASSIGN(Fd fd, listen_on(endpoint, {}));
                add(std::move(fd),
                    port == around_.server_first_port ? Kind::server_first : Kind::scripted);
            }
            FSM_TRY(open_datagram(address));
        }
        return {};
    }

    Result<void> run() {
        while (true) {
            if (poll(waiting_.data(), waiting_.size(), -1) < 0 && errno != EINTR) {
                return Error::from_errno("poll");
            }
            for (std::size_t i = 0; i < waiting_.size(); ++i) {
                if (waiting_[i].revents != 0) {
                    serve(sockets_[i]);
                }
            }
        }
    }

  private:
    enum class Kind : std::uint8_t { scripted, server_first, datagram };
    struct Socket {
        Fd fd;
        Kind kind = Kind::scripted;
    };

    void add(Fd fd, Kind kind) {
        waiting_.push_back({fd.get(), POLLIN, 0});
        sockets_.push_back({std::move(fd), kind});
    }

    Result<void> open_datagram(std::string_view address) {
        FSM_ASSIGN(const Endpoint endpoint, Endpoint::parse(address, around_.udp_port));
        Fd fd(::socket(endpoint.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (endpoint.family() == AF_INET6) {
            FSM_TRY(set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1));
        }
        if (::bind(fd.get(), endpoint.raw(), endpoint.length()) != 0) {
            return Error::from_errno("bind the datagram socket to " + endpoint.to_string());
        }
        add(std::move(fd), Kind::datagram);
        return {};
    }

    void serve(const Socket& socket) {
        if (socket.kind == Kind::datagram) {
            echo_datagram(socket.fd);
            return;
        }
        sockaddr_storage from{};
        socklen_t length = sizeof(from);
        const Fd accepted(
            ::accept4(socket.fd.get(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_CLOEXEC));
        if (!accepted || fork() != 0) {
            return;
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(kConnectionLimitSeconds);
        if (socket.kind == Kind::server_first) {
            speak_first(accepted, Endpoint(from, length));
        } else {
            follow(accepted, Endpoint(from, length));
        }
        // exit() closes the connection, with a reset if the script requested it.
        _exit(0);
    }

    static void echo_datagram(const Fd& fd) {
        std::array<char, 2048> buffer{};
        sockaddr_storage from{};
        socklen_t length = sizeof(from);
        const ssize_t received = ::recvfrom(fd.get(), buffer.data(), buffer.size(), 0,
                                            reinterpret_cast<sockaddr*>(&from), &length);
        if (received > 0) {
            ::sendto(fd.get(), buffer.data(), static_cast<std::size_t>(received), 0,
                     reinterpret_cast<sockaddr*>(&from), length);
        }
    }

    void speak_first(const Fd& fd, const Endpoint& from) const {
        const Context context(around_, from.family() == AF_INET6 ? Family::v6 : Family::v4,
                              "server-first", "server");
        tell_addresses(context, fd, from);
        context.fact("sent", send_whole(fd.get(), "the server speaks first"));
    }

    void follow(const Fd& fd, const Endpoint& from) const {
        const auto command = read_command(fd);
        if (!command) {
            return;
        }
        const Context context(around_, command->family, command->case_name, "server");
        tell_addresses(context, fd, from);
        run_script(command->script, context, fd);
    }

    const Surroundings& around_;
    std::vector<Socket> sockets_;
    std::vector<pollfd> waiting_;
};

}  // namespace

Result<void> run_probe_server(const Surroundings& surroundings) {
    // Ended children are reaped automatically.
    if (::signal(SIGCHLD, SIG_IGN) == SIG_ERR) {
        return Error::from_errno("signal");
    }
    ProbeServer server(surroundings);
    FSM_TRY(server.open());
    return server.run();
}

}  // namespace fsm::test
