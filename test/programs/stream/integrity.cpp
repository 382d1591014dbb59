// integrity: checked streams in parallel, with all parameters chosen at random from one seed.
#include <atomic>
#include <cstdio>
#include <mutex>
#include <thread>

#include "net/options.h"
#include "stream/exchange.h"
#include "stream/loader.h"
#include "stream/modes.h"

namespace fsm::test {

namespace {

struct IntegritySettings {
    Endpoint target;
    std::optional<std::uint16_t> server_first_port;
    std::uint64_t streams = 0;
    std::uint64_t parallel = 0;
    std::uint64_t max_size = 0;
    std::uint64_t seed = 0;
    bool paced = true;
    // One end starts when the other one has ended. Otherwise both may have ended while bytes of
    // both are in flight, which not every relay passes on.
    bool in_turn = false;
};

Result<std::string> ask_verdict(const Endpoint& target, std::uint64_t id) {
    FSM_ASSIGN(const Fd fd, connect_to(target, kPatience));
    Hello hello;
    hello.request = Request::verdict;
    hello.id = id;
    FSM_TRY(send_all(fd.get(), as_bytes(hello)));
    return receive_to_end(fd.get());
}

// Distinguishes the connection from all others in a list of sockets.
std::string own_name(int fd) {
    const auto local = local_endpoint(fd);
    return local ? local->to_string() : local.error().message();
}

class IntegrityRun {
  public:
    explicit IntegrityRun(const IntegritySettings& settings) : settings_(settings) {}

    int run() {
        const auto start = Clock::now();
        std::vector<std::thread> threads;
        for (std::uint64_t i = 0; i < settings_.parallel; ++i) {
            threads.emplace_back([this] { work(); });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        std::printf(
            "{\"seed\": %lu, \"streams\": %lu, \"failed\": %lu, \"bytes\": %lu, "
            "\"seconds\": %.3f}\n",
            settings_.seed, settings_.streams, failed_.load(), bytes_.load(), seconds_since(start));
        return failed_ == 0 ? 0 : 1;
    }

  private:
    void work() {
        while (true) {
            const std::uint64_t number = next_++;
            if (number >= settings_.streams) {
                return;
            }
            if (auto result = run_stream(number); !result) {
                ++failed_;
                const std::lock_guard lock(print_mutex_);
                std::fprintf(stderr, "stream integrity: seed %lu, stream %lu: %s\n", settings_.seed,
                             number, result.error().message().c_str());
            }
        }
    }

    Result<void> run_stream(std::uint64_t number) {
        std::mt19937_64 random(settings_.seed * 1'000'003 + number);
        ExchangePlan plan = choose(random);
        const bool server_first = settings_.server_first_port && random() % 4 == 0;
        if (server_first && settings_.in_turn) {
            plan.start = Start::after_peer_ended;
        }
        const Endpoint target = server_first
                                    ? settings_.target.with_port(*settings_.server_first_port)
                                    : settings_.target;
        auto fd = connect_to(target, kPatience);
        if (!fd) {
            return std::move(fd.error()).within("connect to " + target.to_string());
        }
        auto count = run_exchange(fd->get(), plan, random());
        if (!count) {
            return std::move(count.error()).within("client " + own_name(fd->get()));
        }
        bytes_ += count->sent + count->received;
        auto verdict = ask_verdict(settings_.target, plan.own.id);
        if (!verdict) {
            return std::move(verdict.error()).within("ask for the server's verdict");
        }
        return *verdict == "ok" ? Result<void>() : Error("server: " + *verdict);
    }

    ExchangePlan choose(std::mt19937_64& random) const {
        ExchangePlan plan;
        plan.own = {.request = Request::integrity,
                    .id = random(),
                    .request_size = random_size(random, settings_.max_size),
                    .response_size = random_size(random, settings_.max_size),
                    .seed = random(),
                    .server_pace = pace(random)};
        plan.pace = pace(random);
        // Either end, but not both, may delay its stream until the other one has half-closed.
        const auto order = random() % (settings_.in_turn ? 2 : 4);
        plan.start = order == 0 ? Start::after_peer_ended : Start::at_once;
        plan.own.server_start = order == 1 ? Start::after_peer_ended : Start::at_once;
        plan.unsent_hello = sizeof(Hello);
        return plan;
    }

    Pace pace(std::mt19937_64& random) const {
        const auto choice = static_cast<Pace>(random() % 3);
        return settings_.paced ? choice : Pace::fast;
    }

    const IntegritySettings& settings_;
    std::atomic<std::uint64_t> next_ = 0;
    std::atomic<std::uint64_t> failed_ = 0;
    std::atomic<std::uint64_t> bytes_ = 0;
    std::mutex print_mutex_;
};

}  // namespace

Result<int> run_integrity(const Arguments& arguments) {
    FSM_ASSIGN(const Options options, Options::parse(arguments,
                                                     {"address", "port", "server-first-port",
                                                      "streams", "parallel", "max-size", "seed"},
                                                     {"no-pauses", "in-turn"}));
    IntegritySettings settings;
    FSM_ASSIGN(const std::uint16_t port, options.port("port", 8080));
    FSM_ASSIGN(settings.target, Endpoint::parse(options.text("address", "127.0.0.1"), port));
    if (options.has("server-first-port")) {
        FSM_ASSIGN(settings.server_first_port, options.port("server-first-port", 0));
    }
    FSM_ASSIGN(settings.streams, options.number("streams", 100));
    FSM_ASSIGN(settings.parallel, options.number("parallel", 16));
    FSM_ASSIGN(settings.max_size, options.number("max-size", 4 * 1024 * 1024));
    FSM_ASSIGN(settings.seed, options.number("seed", std::random_device{}()));
    settings.paced = !options.has("no-pauses");
    settings.in_turn = options.has("in-turn");
    raise_file_limit();
    return IntegrityRun(settings).run();
}

}  // namespace fsm::test
