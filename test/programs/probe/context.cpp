#include "probe/context.h"

#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace fsm::test {

namespace {

constexpr std::string_view kMappedPrefix = "::ffff:";

[[noreturn]] void end_case() {
    _exit(0);
}

Result<void> read_addresses(const Options& options, const std::string& suffix, Addresses& into) {
    FSM_ASSIGN(into.server, Endpoint::parse(options.text("server" + suffix, ""), 0));
    FSM_ASSIGN(into.own, Endpoint::parse(options.text("own" + suffix, ""), 0));
    FSM_ASSIGN(into.missing, Endpoint::parse(options.text("missing" + suffix, ""), 0));
    return {};
}

// "10.1.1.2=CLIENT,10.1.1.3=SERVER"
std::map<std::string, std::string> parse_names(std::string_view text) {
    std::map<std::string, std::string> names;
    while (!text.empty()) {
        const std::string_view item = text.substr(0, text.find(','));
        text.remove_prefix(item.size() == text.size() ? item.size() : item.size() + 1);
        const std::size_t equals = item.find('=');
        if (equals != std::string_view::npos) {
            names[std::string(item.substr(0, equals))] = item.substr(equals + 1);
        }
    }
    return names;
}

}  // namespace

std::string_view to_string(Family family) {
    switch (family) {
        case Family::v4:
            return "v4";
        case Family::v6:
            return "v6";
        case Family::mapped:
            return "mapped";
    }
    return "?";
}

std::set<std::string> Surroundings::option_names() {
    return {"server4",
            "own4",
            "missing4",
            "server6",
            "own6",
            "missing6",
            "broadcast",
            "port",
            "second-port",
            "closed-port",
            "udp-port",
            "names",
            "device",
            "known-ports",
            "server-first-port",
            "own-ports",
            "sidecar-outbound"};
}

Result<Surroundings> Surroundings::from(const Options& options) {
    Surroundings around;
    FSM_TRY(read_addresses(options, "4", around.v4));
    FSM_TRY(read_addresses(options, "6", around.v6));
    FSM_ASSIGN(around.broadcast, Endpoint::parse(options.text("broadcast", ""), 0));
    FSM_ASSIGN(around.port, options.port("port", 8080));
    FSM_ASSIGN(around.second_port, options.port("second-port", 8081));
    FSM_ASSIGN(around.server_first_port, options.port("server-first-port", 8082));
    FSM_ASSIGN(around.closed_port, options.port("closed-port", 8083));
    FSM_ASSIGN(around.udp_port, options.port("udp-port", 8084));
    FSM_ASSIGN(around.sidecar_outbound_port, options.port("sidecar-outbound", 15001));
    FSM_ASSIGN(around.own_ports, options.port("own-ports", 20000));
    around.device = options.text("device", "eth0");
    around.names = parse_names(options.text("names", ""));
    FSM_ASSIGN(const auto ports, parse_ports(options.text("known-ports", "1-32767")));
    around.known_ports.insert(ports.begin(), ports.end());
    return around;
}

int Context::domain() const {
    return family_ == Family::v4 ? AF_INET : AF_INET6;
}

Endpoint Context::adapt(const Endpoint& endpoint) const {
    if (family_ != Family::mapped) {
        return endpoint;
    }
    auto mapped = Endpoint::parse(std::string(kMappedPrefix) + endpoint.address(), endpoint.port());
    return mapped ? *mapped : endpoint;
}

Endpoint Context::server(std::uint16_t port) const {
    const Addresses& all = family_ == Family::v6 ? surroundings_.v6 : surroundings_.v4;
    return adapt(all.server.with_port(port));
}

Endpoint Context::own(std::uint16_t port) const {
    const Addresses& all = family_ == Family::v6 ? surroundings_.v6 : surroundings_.v4;
    return adapt(all.own.with_port(port));
}

Endpoint Context::missing(std::uint16_t port) const {
    const Addresses& all = family_ == Family::v6 ? surroundings_.v6 : surroundings_.v4;
    return adapt(all.missing.with_port(port));
}

Endpoint Context::in_family(std::string_view v4, std::string_view v6, std::uint16_t port) const {
    auto endpoint = Endpoint::parse(family_ == Family::v6 ? v6 : v4, port);
    return endpoint ? adapt(*endpoint) : Endpoint();
}

void Context::fact(std::string_view name, std::string_view value) const {
    const std::string line = std::string(to_string(family_)) + "/" + case_name_ + " " + who_ +
                             ": " + std::string(name) + " = " + std::string(value) + "\n";
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) {
        std::perror("probe: write a fact");
    }
}

void Context::fact(std::string_view name, long result_of_call) const {
    fact(name, outcome(result_of_call));
}

std::string Context::name_of(const Endpoint& endpoint) const {
    std::string host = endpoint.address();
    std::string_view bare = host;
    const bool is_mapped = bare.starts_with(kMappedPrefix) && endpoint.is_v4_mapped();
    if (is_mapped) {
        bare.remove_prefix(kMappedPrefix.size());
    }
    const auto named = surroundings_.names.find(std::string(bare));
    std::string name = named == surroundings_.names.end() ? std::string(bare) : named->second;
    if (is_mapped) {
        name = "mapped(" + name + ")";
    }
    const std::uint16_t port = endpoint.port();
    const bool known = port == 0 || surroundings_.known_ports.contains(port);
    return name + " port " + (known ? std::to_string(port) : "EPHEMERAL");
}

std::string Context::name_of(const Result<Endpoint>& endpoint) const {
    return endpoint ? name_of(*endpoint) : errno_name(endpoint.error().errno_value());
}

void Context::names_of_socket(std::string_view prefix, int fd) const {
    const std::string start(prefix);
    fact(start + "getpeername", name_of(peer_endpoint(fd)));
    fact(start + "getsockname", name_of(local_endpoint(fd)));
    fact(start + "SO_ORIGINAL_DST", name_of(original_destination(fd)));
}

Fd Context::stream_socket() const {
    auto fd = tcp_socket(domain(), Blocking::yes);
    if (!fd) {
        fact("socket", errno_name(fd.error().errno_value()));
        end_case();
    }
    return std::move(*fd);
}

Fd Context::dial(std::string_view script) const {
    Fd fd = stream_socket();
    const Endpoint target = server(surroundings_.port);
    if (::connect(fd.get(), target.raw(), target.length()) != 0) {
        fact("connect", -1);
        end_case();
    }
    tell(fd, script);
    return fd;
}

void Context::tell(const Fd& fd, std::string_view script) const {
    const std::string line =
        std::string(script) + " " + std::string(to_string(family_)) + " " + case_name_ + "\n";
    if (send_whole(fd.get(), line) != static_cast<long>(line.size())) {
        fact("telling the server what to do", -1);
        end_case();
    }
}

void Context::need_option(const Fd& fd, int level, int name, int value) const {
    if (auto set = set_option(fd.get(), level, name, value); !set) {
        fact("setsockopt", set.error().message());
    }
}

std::string outcome(long result) {
    return result < 0 ? errno_name(errno) : std::to_string(result);
}

Received receive_until_end(int fd) {
    Received received;
    std::array<char, 65536> buffer{};
    while (true) {
        const ssize_t length = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (length <= 0) {
            received.end = length == 0 ? "EOF" : errno_name(errno);
            return received;
        }
        received.data.append(buffer.data(), static_cast<std::size_t>(length));
    }
}

long send_whole(int fd, std::string_view data) {
    long total = 0;
    while (!data.empty()) {
        const ssize_t sent = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
        if (sent < 0) {
            return total > 0 ? total : -1;
        }
        total += sent;
        data.remove_prefix(static_cast<std::size_t>(sent));
    }
    return total;
}

std::string pattern_text(std::size_t length) {
    std::string text(length, ' ');
    for (std::size_t i = 0; i < length; ++i) {
        text[i] = static_cast<char>('a' + (i ^ (i >> 8U) ^ (i >> 16U)) % 26);
    }
    return text;
}

std::string matches_pattern(std::string_view data) {
    const std::string expected = pattern_text(data.size());
    for (std::size_t i = 0; i < data.size(); ++i) {
        if (data[i] != expected[i]) {
            return "not from byte " + std::to_string(i);
        }
    }
    return "yes";
}

void pause_ms(unsigned milliseconds) {
    timespec time{milliseconds / 1000, static_cast<long>(milliseconds % 1000) * 1'000'000};
    while (nanosleep(&time, &time) != 0 && errno == EINTR) {
    }
}

bool readable_within(int fd, unsigned milliseconds) {
    pollfd waiting{fd, POLLIN, 0};
    return poll(&waiting, 1, static_cast<int>(milliseconds)) == 1;
}

}  // namespace fsm::test
