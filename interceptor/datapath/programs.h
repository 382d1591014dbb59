// The programs of the data path: which there are, and loading them.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "interceptor/datapath/datapath_maps.h"
#include "interceptor/datapath/options.h"
#include "interceptor/datapath/pod_program.h"
#include "interceptor/interception/inspection.h"

namespace fsm {

enum class HookKind : std::uint8_t {
    cgroup,      // for all sockets below the cgroup, by link
    socket_map,  // for the sockets in fsm_sockets
    netns,       // one per pod, by link
    tc,          // one per pod, on each of its interfaces
    call,        // called by those of the pods, through an array of programs
};

struct ProgramSpec {
    const char* name;
    const char* hook;  // as people call it
    HookKind kind;
    bpf_attach_type attach_type;
    // An optional program that the kernel refuses costs a feature; any other one is an error.
    enum class Need : std::uint8_t { mandatory, optional } need;
    const char* since;  // the first kernel that takes it
};

const std::vector<ProgramSpec>& program_specs();

// Where the programs of pods find the one that does the work.
struct ProgramCall {
    const char* program;
    const char* array;  // the map
    std::uint32_t slot;
};

const std::vector<ProgramCall>& program_calls();

struct LoadedObject {
    std::map<std::string, Fd> programs;  // those that the kernel took
    // Those of `programs` of which every pod has its own; the one in `programs` belongs to no pod.
    std::map<std::string, PodProgram> pod_programs;
    MapSet maps;
    std::vector<KernelCapability> capabilities;  // one for each optional program
};

// The shapes of the maps that the programs are built for, sized by `options`.
Result<std::map<std::string, MapShape>> wanted_maps(const DatapathOptions& options);

// Loads the programs on top of `reused` maps; maps that are not among them are made.
Result<LoadedObject> load_programs(const DatapathOptions& options, const MapSet& reused);

// The kernel's id of a loaded program.
Result<std::uint32_t> program_id(int fd);

}  // namespace fsm
