// The table of features: the programs and maps of each, its kernel requirements, and whether it is
// optional; and the selection for this node.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "interceptor/datapath/feature.h"
#include "interceptor/datapath/kernel_probe.h"

namespace fsm {

enum class HookKind : std::uint8_t {
    cgroup,      // for all sockets below the cgroup, by link
    socket_map,  // for the sockets in fsm_sockets
    netns,       // one per pod, by link
    tc,          // one per pod, on each of its interfaces
    call,        // called by the per-pod programs, through a program array
    request,     // not loaded until a client asks for what it tells
};

struct ProgramSpec {
    const char* name;
    const char* hook;  // the common name
    HookKind kind;
    bpf_attach_type attach_type;
    const char* since;  // the first kernel that supports it
};

inline constexpr const char* kConnectionsProgram = "fsm_connections";
inline constexpr const char* kConnectionsMap = "fsm_open";

struct MapSpec {
    const char* name;
    // Pinned ones outlive the process, and the next one adopts them. The process's own are made
    // anew by each, and end with its programs.
    enum class Life : std::uint8_t { pinned, process } life = Life::pinned;
};

struct FeatureSpec {
    Feature feature;
    // If the kernel refuses a program of an optional feature, the feature is not used; for a
    // mandatory feature that is an error.
    enum class Need : std::uint8_t { mandatory, optional } need;
    // The result of its probe; null: there is no probe but the load.
    bool KernelProbe::*works;
    std::vector<ProgramSpec> programs;
    std::vector<MapSpec> maps;  // that no other feature uses
};

// In the order in which their programs are attached.
const std::vector<FeatureSpec>& features();
const FeatureSpec& spec_of(Feature feature);
// Of all features, in that order.
const std::vector<ProgramSpec>& program_specs();

// The features that a node loads, and why it does not load the others.
struct FeatureChoice {
    FeatureSet used;
    std::map<Feature, std::string> unused;  // a sentence
};

// Why a feature that the configuration disables is not used: a sentence.
std::string disabled_reason(Feature feature);

// `disabled`: by the configuration. `attached`: what pods of an earlier process are attached to,
// which stays loaded until they have gone over to something else, though no pod is given it.
FeatureChoice choose_features(const FeatureSet& disabled, const FeatureSet& attached,
                              const KernelProbe& probe);

}  // namespace fsm
