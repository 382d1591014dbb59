#include "relay/config.h"

#include "net/options.h"

namespace fsm::test {

namespace {

constexpr std::uint64_t kDefaultBuffer = 128 * 1024;
constexpr std::uint64_t kMaxWorkers = 64;

enum class Scope : std::uint8_t { any, loopback };

struct Ports {
    std::uint16_t outbound = 0;
    std::uint16_t inbound = 0;
};

Result<void> add_addresses(Config& config, std::string_view address, const Ports& ports,
                           bool v6_only) {
    FSM_ASSIGN(const Endpoint outbound, Endpoint::parse(address, ports.outbound));
    config.addresses.push_back({Direction::outbound, outbound, v6_only});
    config.addresses.push_back({Direction::inbound, outbound.with_port(ports.inbound), v6_only});
    return {};
}

Result<void> choose_addresses(Config& config, const Options& options) {
    Ports v4;
    FSM_ASSIGN(v4.outbound, options.port("outbound", 15001));
    FSM_ASSIGN(v4.inbound, options.port("inbound", 15003));
    Ports v6;
    FSM_ASSIGN(v6.outbound, options.port("outbound6", v4.outbound));
    FSM_ASSIGN(v6.inbound, options.port("inbound6", v4.inbound));

    const bool loopback = options.has("loopback-only");
    const std::string_view address4 = loopback ? "127.0.0.1" : "0.0.0.0";
    const std::string_view address6 = loopback ? "::1" : "::";
    const std::string listen = options.text("listen", "separate");
    if (listen == "dual") {
        if (loopback) {
            return Error("--listen dual: there is no dual-stack loopback address", EINVAL);
        }
        return add_addresses(config, address6, v4, false);
    }
    if (listen != "separate" && listen != "v4" && listen != "v6") {
        return Error("--listen: \"" + listen + "\" is not separate, dual, v4 or v6", EINVAL);
    }
    if (listen != "v6") {
        FSM_TRY(add_addresses(config, address4, v4, true));
    }
    if (listen != "v4") {
        FSM_TRY(add_addresses(config, address6, v6, true));
    }
    return {};
}

Result<std::optional<Endpoint>> source(const Options& options, const std::string& name,
                                       std::string_view otherwise, int family) {
    const std::string text = options.text(name, otherwise);
    if (text == "none") {
        return std::optional<Endpoint>();
    }
    FSM_ASSIGN(const Endpoint endpoint, Endpoint::parse(text, 0));
    if (endpoint.family() != family) {
        return Error("--" + name + ": " + text + " is of the other family", EINVAL);
    }
    return std::optional<Endpoint>(endpoint);
}

template <typename T>
Result<T> choice(const Options& options, const std::string& name, std::string_view first,
                 T if_first, std::string_view second, T if_second) {
    const std::string text = options.text(name, first);
    if (text != first && text != second) {
        return Error("--" + name + ": \"" + text + "\" is not " + std::string(first) + " or " +
                         std::string(second),
                     EINVAL);
    }
    return text == first ? if_first : if_second;
}

std::optional<std::string> optional_text(const Options& options, const std::string& name) {
    if (!options.has(name)) {
        return std::nullopt;
    }
    return options.text(name, "");
}

}  // namespace

Result<Config> Config::parse(const std::vector<std::string>& arguments) {
    FSM_ASSIGN(const Options options,
               Options::parse(arguments,
                              {"outbound", "inbound", "outbound6", "inbound6", "listen", "workers",
                               "worker-kind", "source", "source6", "inbound-target", "buffer",
                               "report", "pid-file"},
                              {"loopback-only", "reuse-port"}));
    Config config;
    FSM_TRY(choose_addresses(config, options));
    FSM_ASSIGN(config.workers, options.number("workers", 1));
    if (config.workers == 0 || config.workers > kMaxWorkers) {
        return Error("--workers: from 1 to " + std::to_string(kMaxWorkers), EINVAL);
    }
    FSM_ASSIGN(config.worker_kind, choice(options, "worker-kind", "thread", WorkerKind::thread,
                                          "process", WorkerKind::process));
    FSM_ASSIGN(config.inbound_target,
               choice(options, "inbound-target", "loopback", InboundTarget::loopback, "original",
                      InboundTarget::original));
    FSM_ASSIGN(config.source4, source(options, "source", "127.0.0.6", AF_INET));
    FSM_ASSIGN(config.source6, source(options, "source6", "none", AF_INET6));
    FSM_ASSIGN(config.buffer_size, options.number("buffer", kDefaultBuffer));
    if (config.buffer_size == 0) {
        return Error("--buffer: at least one byte", EINVAL);
    }
    config.reuse_port = options.has("reuse-port") || config.workers > 1;
    config.report_path = optional_text(options, "report");
    config.pid_path = optional_text(options, "pid-file");
    return config;
}

}  // namespace fsm::test
