// The environment of a probe's case, and the output of its observations.
//
// Every fact is one line, "family/case who: fact = value", written by one write. It must be equal
// in two runs under the same conditions: ports that the kernel chose are EPHEMERAL, and addresses
// have the names from the command line.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "common/fd.h"
#include "common/result.h"
#include "net/options.h"
#include "net/socket.h"

namespace fsm::test {

// `mapped`: IPv4 by an AF_INET6 socket and ::ffff:a.b.c.d.
enum class Family : std::uint8_t { v4, v6, mapped };
std::string_view to_string(Family family);

struct Addresses {
    Endpoint server;
    Endpoint own;
    Endpoint missing;  // in the pods' network, unassigned
};

struct Surroundings {
    Addresses v4;
    Addresses v6;
    Endpoint broadcast;  // of the pods' IPv4 network
    std::uint16_t port = 0;
    std::uint16_t second_port = 0;
    std::uint16_t server_first_port = 0;
    std::uint16_t closed_port = 0;
    std::uint16_t udp_port = 0;
    std::uint16_t sidecar_outbound_port = 0;
    std::string device;
    // Ports from here on are free for a case to bind.
    std::uint16_t own_ports = 0;
    std::map<std::string, std::string> names;  // by address
    std::set<std::uint16_t> known_ports;

    static Result<Surroundings> from(const Options& options);
    static std::set<std::string> option_names();
};

class Context {
  public:
    Context(const Surroundings& surroundings, Family family, std::string case_name, std::string who)
        : surroundings_(surroundings),
          family_(family),
          case_name_(std::move(case_name)),
          who_(std::move(who)) {}

    const Surroundings& around() const { return surroundings_; }
    Family family() const { return family_; }
    const std::string& case_name() const { return case_name_; }
    int domain() const;

    // Addresses in the form of this family's sockets.
    Endpoint server(std::uint16_t port) const;
    Endpoint own(std::uint16_t port) const;
    Endpoint missing(std::uint16_t port) const;
    Endpoint in_family(std::string_view v4, std::string_view v6, std::uint16_t port) const;

    void fact(std::string_view name, std::string_view value) const;
    void fact(std::string_view name, long result_of_call) const;  // the value, or errno's name
    std::string name_of(const Endpoint& endpoint) const;
    std::string name_of(const Result<Endpoint>& endpoint) const;

    // getpeername, getsockname and SO_ORIGINAL_DST of a socket.
    void names_of_socket(std::string_view prefix, int fd) const;

    // Blocking, connected to the server, which was told to run `script`. If the connect fails, that
    // is the case's last fact.
    Fd dial(std::string_view script) const;
    void tell(const Fd& fd, std::string_view script) const;
    Fd stream_socket() const;
    // Prints nothing on success; a failure is a fact, too.
    void need_option(const Fd& fd, int level, int name, int value) const;

  private:
    Endpoint adapt(const Endpoint& endpoint) const;

    const Surroundings& surroundings_;
    Family family_;
    std::string case_name_;
    std::string who_;
};

// "5", or "ECONNRESET" when `result` is negative.
std::string outcome(long result);

struct Received {
    std::string data;
    std::string end;  // "EOF" or the name of the error
};
Received receive_until_end(int fd);
// Everything, blocking; the number of bytes sent, or the error if none was.
long send_whole(int fd, std::string_view data);

// Text whose bytes depend on their position.
std::string pattern_text(std::size_t length);
std::string matches_pattern(std::string_view data);  // "yes", or where it does not

void pause_ms(unsigned milliseconds);
bool readable_within(int fd, unsigned milliseconds);

}  // namespace fsm::test
