// Loading the programs and maps of the features that a node uses (features.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "interceptor/datapath/datapath_maps.h"
#include "interceptor/datapath/features.h"
#include "interceptor/datapath/options.h"
#include "interceptor/datapath/pod_program.h"
#include "interceptor/interception/inspection.h"

namespace fsm {

// The program array through which a per-pod program calls the shared one.
struct ProgramCall {
    const char* program;
    const char* array;  // the map
    std::uint32_t slot;
};

const std::vector<ProgramCall>& program_calls();

struct LoadedObject {
    FeatureSet used;
    std::map<std::string, Fd> programs;  // those that the kernel accepted
    // The templates of per-pod programs among `programs`; the one in `programs` belongs to no pod.
    std::map<std::string, PodProgram> pod_programs;
    MapSet maps;                                 // pinned ones
    MapSet process_maps;                         // this process's own
    std::vector<KernelCapability> capabilities;  // one for each optional program that was tried
};

// The shapes of the pinned maps of these features, sized by `options`.
Result<std::map<std::string, MapShape>> wanted_maps(const DatapathOptions& options,
                                                    const FeatureSet& used);

// Loads the features' programs on top of `reused` maps; creates the other maps.
Result<LoadedObject> load_programs(const DatapathOptions& options, const FeatureSet& used,
                                   const MapSet& reused);

// A program that is loaded on request ends with its descriptor and what it is attached by.
struct RequestedProgram {
    Fd program;
    MapSet maps;  // made for it
};

// Loads a feature of HookKind::request on top of the maps of `loaded`.
Result<RequestedProgram> load_on_request(const DatapathOptions& options, const LoadedObject& loaded,
                                         Feature feature);

// The kernel's id of a loaded program.
Result<std::uint32_t> program_id(int fd);

}  // namespace fsm
