// The tc programs on one interface: BPF filters on its clsact qdisc.
//
// Everything here works in the network namespace of the calling thread. Filters and qdiscs of other
// programs are not changed: ours have a fixed priority, and a handle that is derived from the path
// of the instance's pins.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"

namespace fsm {

struct TcPrograms {
    int ingress = -1;  // descriptors
    int egress = -1;
    std::uint32_t handle = 0;
};

// The program that added the clsact qdisc removes it.
enum class QdiscOwner : std::uint8_t { us, others };

struct TcInterface {
    int index = 0;
    QdiscOwner qdisc = QdiscOwner::others;
};

// Two instances on one kernel have different handles if their pins have different paths.
std::uint32_t tc_handle(const std::string& bpffs, const std::string& name);

// Interfaces by name; an unknown one is an error.
Result<std::vector<int>> interface_indexes(const std::vector<std::string>& names);
// Every interface but loopback.
Result<std::vector<int>> all_interface_indexes();

// Adds both filters, or replaces their programs. On failure nothing is added.
Result<TcInterface> attach_tc(int interface, const TcPrograms& programs);
// Takes both filters away, if they are there, and the qdisc if it is ours and nothing else uses it.
// An interface that is gone has nothing.
Result<void> detach_tc(const TcInterface& interface, std::uint32_t handle);

// Ids of the attached programs; 0: no filter of ours.
struct TcAttached {
    std::uint32_t ingress = 0;
    std::uint32_t egress = 0;
};
Result<TcAttached> attached_tc(int interface, std::uint32_t handle);

}  // namespace fsm
