#include "interceptor/datapath/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <iterator>
#include <memory>
#include <set>
#include <string_view>

#include "bpf/abi.h"
#include "interceptor/datapath/libbpf_log.h"
#include "interceptor/datapath/map_limits.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#include "bpf/fsm_bpf.skel.h"
#pragma GCC diagnostic pop

namespace fsm {
namespace {

struct ObjectDeleter {
    void operator()(fsm_bpf* object) const { fsm_bpf__destroy(object); }
};
using Object = std::unique_ptr<fsm_bpf, ObjectDeleter>;

// The share of a shared map that one pod may hold.
constexpr std::uint32_t kShare = 8;

// The features to load, and those of their programs that are optional.
struct Selection {
    FeatureSet features;
    std::set<std::string> programs;
};

// libbpf does not create the maps of an unused feature. Code of other programs that refers to one
// is unreachable because of the constants, and the verifier drops it.
Result<void> leave_out_maps(const Object& object, const FeatureSet& used) {
    for (const FeatureSpec& feature : features()) {
        if (used.contains(feature.feature)) {
            continue;
        }
        for (const MapSpec& spec : feature.maps) {
            bpf_map* map = bpf_object__find_map_by_name(object->obj, spec.name);
            const int failed = map == nullptr ? -ENOENT : bpf_map__set_autocreate(map, false);
            if (failed != 0) {
                return Error::from_errno(std::string("leave out map ") + spec.name, -failed);
            }
        }
    }
    return {};
}

Result<Object> open_object(const DatapathOptions& options, const FeatureSet& used) {
    const LibbpfLog log;
    Object object(fsm_bpf__open());
    if (!object) {
        return log.error("open the embedded BPF object", errno);
    }
    object->rodata->fsm_tracing = options.kernel_tracing ? 1 : 0;
    object->rodata->fsm_acceleration = used.contains(Feature::acceleration) ? 1 : 0;
    object->rodata->fsm_inbound_tc = used.contains(Feature::inbound_tc) ? 1 : 0;
    object->rodata->fsm_events_told = used.contains(Feature::events) ? 1 : 0;
    object->rodata->fsm_handshakes_per_pod = std::max(options.max_connections / kShare, 1U);
    object->rodata->fsm_sockets_per_pod =
        std::max(options.max_connections / kShare, 1U) * kEndsPerConnection;
    object->rodata->fsm_flow_sets =
        std::max(std::bit_floor(options.max_connections / kShare / FSM_FLOW_WAYS), 1U);
    for (const MapLimit& limit : map_limits()) {
        bpf_map* map = bpf_object__find_map_by_name(object->obj, limit.map);
        const int failed =
            map == nullptr ? -ENOENT : bpf_map__set_max_entries(map, limit.entries(options));
        if (failed != 0) {
            return log.error(std::string("set the size of map ") + limit.map, -failed);
        }
    }
    FSM_TRY(leave_out_maps(object, used));
    return object;
}

MapSpec::Life life_of(const bpf_map* map) {
    for (const FeatureSpec& feature : features()) {
        for (const MapSpec& spec : feature.maps) {
            if (std::string_view(spec.name) == bpf_map__name(map)) {
                return spec.life;
            }
        }
    }
    return MapSpec::Life::pinned;
}

// Libbpf's own maps, for constants and variables, belong to the programs.
std::vector<bpf_map*> maps_of(const Object& object, MapSpec::Life life) {
    std::vector<bpf_map*> maps;
    bpf_map* map = nullptr;
    while ((map = bpf_object__next_map(object->obj, map)) != nullptr) {
        if (!bpf_map__is_internal(map) && bpf_map__autocreate(map) && life_of(map) == life) {
            maps.push_back(map);
        }
    }
    return maps;
}

// The maps that hold state.
std::vector<bpf_map*> state_maps(const Object& object) {
    return maps_of(object, MapSpec::Life::pinned);
}

MapShape shape_of(const bpf_map* map) {
    return MapShape{static_cast<std::uint32_t>(bpf_map__type(map)), bpf_map__key_size(map),
                    bpf_map__value_size(map), bpf_map__max_entries(map), bpf_map__map_flags(map)};
}

Result<void> reuse_maps(const Object& object, const MapSet& reused) {
    for (bpf_map* map : state_maps(object)) {
        const auto found = reused.find(bpf_map__name(map));
        if (found == reused.end()) {
            continue;
        }
        const int failed = bpf_map__reuse_fd(map, found->second.fd());
        if (failed != 0) {
            return Error::from_errno("reuse map " + found->first, -failed);
        }
    }
    return {};
}

Result<Object> load_only(const DatapathOptions& options, const MapSet& reused,
                         const Selection& selection) {
    FSM_ASSIGN(Object object, open_object(options, selection.features));
    FSM_TRY(reuse_maps(object, reused));
    for (const ProgramSpec& spec : program_specs()) {
        bpf_program* program = bpf_object__find_program_by_name(object->obj, spec.name);
        if (program == nullptr) {
            return Error(std::string("the embedded BPF object has no program ") + spec.name);
        }
        bpf_program__set_autoload(program, selection.programs.contains(spec.name));
    }
    const LibbpfLog log;
    const int failed = fsm_bpf__load(object.get());
    if (failed != 0) {
        return log.error("load BPF programs", -failed);
    }
    return object;
}

bool is_loaded_at_start(Feature feature) {
    const auto& programs = spec_of(feature).programs;
    return std::none_of(programs.begin(), programs.end(), [](const ProgramSpec& program) {
        return program.kind == HookKind::request;
    });
}

// Without what is loaded on request, with its maps.
FeatureSet loaded_at_start(const FeatureSet& used) {
    FeatureSet features;
    std::copy_if(used.begin(), used.end(), std::inserter(features, features.end()),
                 is_loaded_at_start);
    return features;
}

std::set<std::string> programs_of(const FeatureSet& used) {
    std::set<std::string> names;
    for (const Feature feature : used) {
        for (const ProgramSpec& spec : spec_of(feature).programs) {
            names.insert(spec.name);
        }
    }
    return names;
}

// Tries to load a single program. False: its feature is not used.
Result<bool> is_accepted(const DatapathOptions& options, const FeatureSet& used,
                         const FeatureSpec& feature, const ProgramSpec& spec,
                         std::vector<KernelCapability>& refusals) {
    auto trial = load_only(options, {}, {used, {spec.name}});
    if (trial) {
        return true;
    }
    const std::string detail =
        "needs Linux " + std::string(spec.since) + ": " + trial.error().message();
    if (feature.need == FeatureSpec::Need::mandatory) {
        return Error(std::string(spec.hook) + " (" + spec.name +
                         "), without which nothing can be intercepted, " + detail,
                     trial.error().errno_value());
    }
    refusals.push_back({std::string("program ") + spec.name, false, detail});
    return false;
}

Result<std::set<std::string>> accepted_programs(const DatapathOptions& options,
                                                const FeatureSet& used,
                                                std::vector<KernelCapability>& refusals) {
    std::set<std::string> accepted;
    for (const Feature feature : used) {
        const FeatureSpec& of_feature = spec_of(feature);
        for (const ProgramSpec& spec : of_feature.programs) {
            FSM_ASSIGN(const bool taken, is_accepted(options, used, of_feature, spec, refusals));
            if (taken) {
                accepted.insert(spec.name);
            }
        }
    }
    return accepted;
}

Result<Object> load_supported_programs(const DatapathOptions& options, const FeatureSet& used,
                                       const MapSet& reused,
                                       std::vector<KernelCapability>& refusals) {
    const std::set<std::string> all = programs_of(used);
    auto object = load_only(options, reused, {used, all});
    if (object) {
        return object;
    }
    FSM_ASSIGN(const std::set<std::string> accepted, accepted_programs(options, used, refusals));
    if (accepted == all) {
        return std::move(object.error());  // not caused by a single program
    }
    return load_only(options, reused, {used, accepted});
}

bool is_of_pods(const ProgramSpec& spec) {
    return spec.kind == HookKind::netns || spec.kind == HookKind::tc;
}

// Once the maps are ours.
Result<void> copy_pod_programs(const Object& object, LoadedObject& loaded) {
    std::map<int, int> descriptors;
    for (const bpf_map* map : state_maps(object)) {
        descriptors[bpf_map__fd(map)] = loaded.maps.at(bpf_map__name(map)).fd();
    }
    for (const ProgramSpec& spec : program_specs()) {
        if (is_of_pods(spec) && loaded.programs.contains(spec.name)) {
            const bpf_program* program = bpf_object__find_program_by_name(object->obj, spec.name);
            FSM_ASSIGN(PodProgram copy, PodProgram::copy_of(program, descriptors));
            loaded.pod_programs.emplace(spec.name, std::move(copy));
        }
    }
    return {};
}

Result<Fd> duplicate(int fd, const std::string& what) {
    Fd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!copy) {
        return Error::from_errno("keep the descriptor of " + what);
    }
    return copy;
}

Result<void> keep_maps(const std::vector<bpf_map*>& maps, MapSet& kept) {
    for (const bpf_map* map : maps) {
        FSM_ASSIGN(Fd fd, duplicate(bpf_map__fd(map), bpf_map__name(map)));
        FSM_ASSIGN(BpfMap owned, BpfMap::adopt(std::move(fd)));
        kept.emplace(bpf_map__name(map), std::move(owned));
    }
    return {};
}

// Before Linux 5.11 the memory of maps counted against this limit; later it has no effect on them,
// so a failure does not matter unless a map cannot be made, which then says so.
void raise_memory_limit() {
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    (void)setrlimit(RLIMIT_MEMLOCK, &unlimited);
}

}  // namespace

const std::vector<ProgramCall>& program_calls() {
    static const std::vector<ProgramCall> calls = {
        {"fsm_steer", "fsm_lookup_calls", FSM_CALL_LOOKUP},
        {"fsm_tc_in", "fsm_tc_calls", FSM_CALL_INGRESS},
        {"fsm_tc_out", "fsm_tc_calls", FSM_CALL_EGRESS},
    };
    return calls;
}

Result<std::map<std::string, MapShape>> wanted_maps(const DatapathOptions& options,
                                                    const FeatureSet& used) {
    FSM_ASSIGN(const Object object, open_object(options, loaded_at_start(used)));
    std::map<std::string, MapShape> shapes;
    for (const bpf_map* map : state_maps(object)) {
        shapes[bpf_map__name(map)] = shape_of(map);
    }
    return shapes;
}

Result<LoadedObject> load_programs(const DatapathOptions& options, const FeatureSet& used,
                                   const MapSet& reused) {
    raise_memory_limit();
    LoadedObject loaded;
    loaded.used = used;
    FSM_ASSIGN(const Object object, load_supported_programs(options, loaded_at_start(used), reused,
                                                            loaded.capabilities));
    for (const FeatureSpec& feature : features()) {
        for (const ProgramSpec& spec : feature.programs) {
            const bpf_program* program = bpf_object__find_program_by_name(object->obj, spec.name);
            const int fd = bpf_program__fd(program);
            if (fd < 0) {
                continue;
            }
            FSM_ASSIGN(loaded.programs[spec.name], duplicate(fd, spec.name));
            if (feature.need == FeatureSpec::Need::optional) {
                loaded.capabilities.push_back(
                    {std::string("program ") + spec.name, true, "loaded"});
            }
        }
    }
    FSM_TRY(keep_maps(state_maps(object), loaded.maps));
    FSM_TRY(keep_maps(maps_of(object, MapSpec::Life::process), loaded.process_maps));
    FSM_TRY(copy_pod_programs(object, loaded));
    return loaded;
}

Result<RequestedProgram> load_on_request(const DatapathOptions& options, const LoadedObject& loaded,
                                         Feature feature) {
    FeatureSet needed = loaded.used;
    needed.erase(Feature::events);  // its ring would be made for nothing
    const char* name = spec_of(feature).programs.front().name;
    FSM_ASSIGN(const Object object, load_only(options, loaded.maps, {needed, {name}}));
    const bpf_program* program = bpf_object__find_program_by_name(object->obj, name);
    RequestedProgram requested;
    FSM_ASSIGN(requested.program, duplicate(bpf_program__fd(program), name));
    FSM_TRY(keep_maps(maps_of(object, MapSpec::Life::process), requested.maps));
    return requested;
}

Result<std::uint32_t> program_id(int fd) {
    bpf_prog_info info{};
    std::uint32_t length = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0) {
        return Error::from_errno("ask the kernel about a program");
    }
    return info.id;
}

}  // namespace fsm
