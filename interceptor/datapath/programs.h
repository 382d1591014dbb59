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
    MapSet maps;                                 // pinned ones
    MapSet process_maps;                         // this process's own
    std::vector<KernelCapability> capabilities;  // one for each optional program that was tried
};

// The shapes of the pinned maps of these features, sized by `options`.
Result<std::map<std::string, MapShape>> wanted_maps(const DatapathOptions& options,
                                                    const FeatureSet& used);

// Loads the features' programs on top of `reused` maps; maps that are not among them are made.
Result<LoadedObject> load_programs(const DatapathOptions& options, const FeatureSet& used,
                                   const MapSet& reused);

// The kernel's id of a loaded program.
Result<std::uint32_t> program_id(int fd);

}  // namespace fsm
