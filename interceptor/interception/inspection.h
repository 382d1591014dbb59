// Inspection: the state of a mode of interception: pods, problems of the node, and what it consists
// of.
#pragma once

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/problem.h"
#include "common/result.h"
#include "interceptor/interception/enrolment.h"
#include "interceptor/interception/open_socket.h"

namespace fsm {

// A property of the running kernel, found by a probe.
struct KernelCapability {
    std::string name;  // "sk_lookup", "splice of redirected data", ...
    bool works = false;
    std::string detail;  // the observation, and the first kernel version with it
};

struct DatapathProgram {
    std::string name;  // as bpftool shows it
    std::string hook;
    std::uint32_t id = 0;
    bool attached = false;
};

// Sums over all kernel programs of this name, since the interceptor's start or since the statistics
// were switched on.
struct ProgramStatistics {
    std::string name;
    std::string hook;
    std::uint64_t runs = 0;
    std::uint64_t nanoseconds = 0;
};

struct DatapathMap {
    std::string name;
    std::uint32_t id = 0;
    std::uint64_t entries = 0;
    std::uint64_t max_entries = 0;
    bool can_fill = true;  // not an array, all of whose entries always exist, nor sockets' storage
};

struct CounterValue {
    std::string name;
    std::string help;
    std::uint64_t value = 0;
};

// Threads: every function may be called from any thread.
class Inspection {
  public:
    virtual ~Inspection() = default;

    virtual Result<std::vector<EnrolledPod>> pods() const = 0;
    // One pod; nothing if it is not enrolled. The cost does not depend on the number of pods.
    virtual Result<std::optional<EnrolledPod>> pod(std::uint64_t netns_cookie) const = 0;

    // What is broken for every pod of the node: a program that is not attached, a cgroup that was
    // replaced. While there is any, STATUS answers 50 and readyz fails, and status, metrics and log
    // name it; it is over as soon as it is no longer in this list. Asked several times a second at
    // worst: answers what the last
    // Maintenance::verify_node() has found, and looks at nothing.
    virtual std::vector<Problem> node_conditions() const { return {}; }

    virtual Result<std::vector<DatapathMap>> maps() const = 0;
    virtual Result<std::vector<DatapathProgram>> programs() const = 0;
    // Empty unless the kernel keeps statistics for the interceptor (programStatistics).
    virtual Result<std::vector<ProgramStatistics>> program_statistics() const {
        return std::vector<ProgramStatistics>();
    }
    virtual Result<std::vector<CounterValue>> counters() const = 0;
    // The open sockets of the pods, in no order. EOPNOTSUPP: this mode does not know them.
    virtual Result<std::vector<OpenSocket>> open_sockets() const {
        return Error("only mode ebpf knows the connections of its pods: use ss(8) in the pod",
                     EOPNOTSUPP);
    }
    virtual const std::vector<KernelCapability>& capabilities() const = 0;
    // The meaning of `acceleration: auto` on this kernel for a sidecar that reads safely, and the
    // reason.
    virtual Acceleration automatic_acceleration() const = 0;
    virtual const std::string& automatic_acceleration_reason() const = 0;
};

}  // namespace fsm
