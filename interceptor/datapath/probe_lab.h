// ProbeLab: the environment of the kernel probe: a separate network namespace, loopback connections
// in it, and the probe programs on their sockets.
//
// Threads: a lab belongs to the thread that created it, which stays in the lab's network namespace.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/fd.h"
#include "common/result.h"

struct fsm_probe;

namespace fsm {

// A loopback connection. `writer` and `reader` only name the direction that is redirected.
struct ProbeConnection {
    Fd writer;
    Fd reader;
};

enum class ProbePath : std::uint8_t { tcp, redirected };

// What the probe program observed of the reader's kernel object at the writer's latest message.
struct ReaderSeen {
    std::uint64_t cookie = 0;
    std::uint32_t copied_seq = 0;
    std::uint32_t unread = 0;
    std::uint32_t failed_reads = 0;
    std::uint32_t messages = 0;
    bool found = false;  // the redirected message named the reader's socket
};

class ProbeLab {
  public:
    // Moves the calling thread into a new network namespace.
    static Result<std::unique_ptr<ProbeLab>> create();
    ~ProbeLab();
    ProbeLab(const ProbeLab&) = delete;
    ProbeLab& operator=(const ProbeLab&) = delete;

    // Empty if the programs work, otherwise why they cannot be loaded or attached.
    const std::string& refusal() const { return refusal_; }

    // Both ends are in the socket map; messages go by TCP until choose() says otherwise.
    Result<ProbeConnection> connect();
    void choose(ProbePath path);
    ReaderSeen seen() const;

    // These probe the two inbound mechanisms in this namespace.
    Result<void> try_sk_lookup() const;
    Result<void> try_tc() const;

  private:
    struct ObjectDeleter {
        void operator()(fsm_probe* object) const;
    };

    ProbeLab() = default;
    void load();

    std::unique_ptr<fsm_probe, ObjectDeleter> object_;
    std::string refusal_;
};

}  // namespace fsm
