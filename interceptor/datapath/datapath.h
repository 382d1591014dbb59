// Datapath: the BPF programs and maps of this node, seen from user space.
//
// The kernel holds the state: programs are attached by pinned links, maps are pinned, and both
// outlive this process. Opening the data path adopts what an earlier process left, replaces its
// programs atomically, and leaves open connections alone.
//
// Threads: every method may be called from any thread; changes of one pod are serialised inside,
// and pods do not wait for each other.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/interception.h"
#include "common/netns.h"
#include "common/problem.h"
#include "common/result.h"

namespace fsm {

struct DatapathOptions {
    // Pins live in <bpffs>/<name>.
    std::string bpffs = "/sys/fs/bpf";
    // A bpffs that is missing is mounted. False: it is an error, because a mount would not outlive
    // this process's mount namespace, nor would the pins.
    bool mount_bpffs = true;
    std::string name = "fsm";
    // Empty: found by mount type, else mounted by us below the run directory.
    std::string cgroup;
    std::string run_directory = "/var/run/fsm";
    // Where other processes' descriptors are looked for ("/host/proc" in a container).
    std::string proc = "/proc";

    std::uint32_t max_pods = 4096;
    std::uint32_t max_policy_entries = 65536;  // ports, and ranges
    std::uint32_t max_connections = 262144;    // accelerated, in handshake, tc flows
    std::uint32_t unread_limit_bytes = 1U << 20;
    // Smaller messages go by TCP while their reader has something unread. 0: none. Faster for
    // streams of small writes, but then one read ends where the two queues meet (docs).
    std::uint32_t coalesce_below_bytes = 0;

    bool kernel_tracing = false;  // bpf_printk for every decision

    bool operator==(const DatapathOptions&) const = default;
};

// One pod as the data path holds it. `addresses`: what stands on the pod's interfaces, loopback and
// link-local left out; the first IPv4 and the first IPv6 one are what the pod calls itself.
// `link_locals`: those of IPv6. Other pods may have the same: both count in the pod's own network
// namespace only. `given`: the addresses that the cluster has given to it (the CNI result, the
// pod's status), by which others of the node find it; empty: not known.
struct PodEnrolment {
    std::uint64_t netns_cookie = 0;
    std::vector<IpAddress> addresses;
    std::set<IpAddress> link_locals;
    std::set<IpAddress> given;
    // Interfaces of the pod that inbound interception covers: used by tc.
    std::vector<std::string> interfaces;
    // Those whose traffic is left alone. What is behind them is in the policy's excluded ranges
    // too: used by iptables, which can match an interface.
    std::vector<std::string> excluded_interfaces;
    InterceptionPolicy policy;

    bool operator==(const PodEnrolment&) const = default;
};

// An address on a pod's interfaces that leads to another pod, which lives, and stays that one's.
struct AddressConflict {
    IpAddress address;
    std::uint64_t owner = 0;  // netns cookie

    bool operator==(const AddressConflict&) const = default;
};

// What was decided where the policy said "auto".
struct EnrolledPod {
    std::uint64_t netns_cookie = 0;
    std::vector<IpAddress> addresses;
    InboundMechanism inbound = InboundMechanism::sk_lookup;
    Acceleration acceleration = Acceleration::off;
    std::uint32_t listeners_seen = 0;  // enum fsm_seen
    // Why `inbound` is not what "auto" takes first, a sentence's end; empty when it is.
    std::string inbound_reason;
    std::vector<AddressConflict> conflicts;
    // Something of an earlier mechanism stays for connections that are open: enrol again later.
    bool draining = false;
};

// A property of the running kernel, found by trying.
struct KernelCapability {
    std::string name;  // "sk_lookup", "splice of redirected data", ...
    bool works = false;
    std::string detail;  // what was seen, and the kernel version that first has it
};

// The cgroups of a pod's containers that are known not to be its sidecar: what runs in them does
// not count as the sidecar, whatever its uid and gid.
struct OtherContainers {
    std::uint32_t level = 0;          // of all of them; the root of the hierarchy has 0
    std::set<std::uint64_t> cgroups;  // by id

    bool operator==(const OtherContainers&) const = default;
};

struct DatapathProgram {
    std::string name;  // as bpftool shows it
    std::string hook;
    std::uint32_t id = 0;
    bool attached = false;
};

struct DatapathMap {
    std::string name;
    std::uint32_t id = 0;
    std::uint64_t entries = 0;
    std::uint64_t max_entries = 0;
};

struct CounterValue {
    std::string name;
    std::string help;
    std::uint64_t value = 0;
};

class Datapath {
  public:
    // Mounts what is missing, probes the kernel, loads, pins, attaches or adopts.
    static Result<std::unique_ptr<Datapath>> open(const DatapathOptions& options);

    // Removes every pin, link, filter and mount of ours, also those of an earlier process, in the
    // network namespaces of living pods too. What cannot be removed is in the error.
    static Result<void> uninstall(const DatapathOptions& options);

    virtual ~Datapath() = default;

    // Enrols the namespace, or changes its policy: new connections see the old rules or the new
    // ones, never a mixture that lets traffic around the sidecar. Listeners of the sidecar that
    // already listen are taken over.
    //
    // An error has one meaning: the namespace is as it was before. A pod that has its new rules is
    // enrolled, even when something of its former ones could not be removed: check() names what is
    // left, and enrolling again, or a sweep(), removes it.
    virtual Result<EnrolledPod> enrol(const Netns& netns, const PodEnrolment& enrolment) = 0;

    // Forgets a pod, whether or not its namespace still exists; `netns` is null when it does not.
    // Withdrawing a pod that is not enrolled succeeds.
    virtual Result<void> withdraw(std::uint64_t netns_cookie, const Netns* netns) = 0;

    // The same, and nothing is kept for the connections that are open: those that depend on it are
    // reset, so that neither end waits for the other.
    virtual Result<void> withdraw_and_cut(std::uint64_t netns_cookie, const Netns& netns) {
        return withdraw(netns_cookie, &netns);
    }

    // Compares what the kernel holds for the pod with what enrol() made, entry by entry; the error
    // names what is missing or was changed. Else the pod as it is now.
    virtual Result<EnrolledPod> check(const Netns& netns, std::uint64_t netns_cookie) const = 0;

    // Replaces what is known of the pod's containers; `before` is what was told the last time.
    // Independent of enrol() and withdraw(). Nothing in a mode that cannot tell processes apart.
    virtual Result<void> set_other_containers(std::uint64_t /*netns_cookie*/,
                                              const OtherContainers& /*before*/,
                                              const OtherContainers& /*now*/) {
        return {};
    }
    // What it holds of all pods: an earlier process may have told it.
    virtual Result<std::map<std::uint64_t, OtherContainers>> other_containers() const {
        return std::map<std::uint64_t, OtherContainers>();
    }

    // Pods whose sidecar did something that enrol() has to answer (a listener that the pod's
    // inbound mechanism cannot reach). Cheap: to be asked every second or so.
    virtual Result<std::vector<std::uint64_t>> pods_to_enrol_again() const {
        return std::vector<std::uint64_t>();
    }

    // Looks at what the data path has attached for the whole node, and puts back what is missing.
    // Returns what was put back, for the log; what could not be is in node_conditions().
    virtual std::vector<std::string> verify_node() { return {}; }

    // Removes what connections have left behind after their time (tc flows in TIME_WAIT). To be
    // called every few seconds.
    virtual Result<void> sweep() = 0;

    // What is broken for every pod of the node: a program that is not attached, a cgroup that was
    // replaced. While there is any, STATUS answers 50 and readyz fails, and status, metrics and log
    // name it; it is over as soon as it is no longer in this list. Asked several times a second at
    // worst: answers what the last verify_node() has found, and looks at nothing.
    virtual std::vector<Problem> node_conditions() const { return {}; }

    virtual Result<std::vector<EnrolledPod>> pods() const = 0;
    // One of them; nothing when it is not enrolled. The cost does not grow with the other pods.
    virtual Result<std::optional<EnrolledPod>> pod(std::uint64_t netns_cookie) const = 0;
    virtual Result<std::vector<DatapathMap>> maps() const = 0;
    virtual Result<std::vector<DatapathProgram>> programs() const = 0;
    virtual Result<std::vector<CounterValue>> counters() const = 0;
    virtual const std::vector<KernelCapability>& capabilities() const = 0;
    // What `acceleration: auto` means on this kernel for a sidecar that reads safely, and why.
    virtual Acceleration automatic_acceleration() const = 0;
    virtual const std::string& automatic_acceleration_reason() const = 0;
};

}  // namespace fsm
