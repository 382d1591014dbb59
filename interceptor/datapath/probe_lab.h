// ProbeLab: where the kernel is tried out: a network namespace of its own, loopback connections in
// it, and the probe programs on their sockets.
//
// Threads: a lab belongs to the thread that made it, which leaves its network namespace for good.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/fd.h"
#include "common/result.h"

struct fsm_probe;

namespace fsm {

// A connection on loopback. `writer` and `reader` only name the direction that is redirected.
struct ProbeConnection {
    Fd writer;
    Fd reader;
};

enum class ProbePath : std::uint8_t { tcp, redirected };

// What the probe program saw of the reader's kernel object when the writer's latest message went
// by.
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

    // Empty when the programs work here, else why they do not load or attach.
    const std::string& refusal() const { return refusal_; }

    // Both ends are in the socket map; messages go by TCP until choose() says otherwise.
    Result<ProbeConnection> connect();
    void choose(ProbePath path);
    ReaderSeen seen() const;

    // These try the two inbound mechanisms on this namespace.
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
