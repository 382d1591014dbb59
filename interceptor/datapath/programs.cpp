#include "interceptor/datapath/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <memory>
#include <set>

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

using Need = ProgramSpec::Need;

struct ObjectDeleter {
    void operator()(fsm_bpf* object) const { fsm_bpf__destroy(object); }
};
using Object = std::unique_ptr<fsm_bpf, ObjectDeleter>;

// One pod may hold this part of what all share.
constexpr std::uint32_t kShare = 8;

// tc filters are attached by netlink.
constexpr bpf_attach_type kNoAttachType = __MAX_BPF_ATTACH_TYPE;

Result<Object> open_object(const DatapathOptions& options) {
    const LibbpfLog log;
    Object object(fsm_bpf__open());
    if (!object) {
        return log.error("open the embedded BPF object", errno);
    }
    object->rodata->fsm_tracing = options.kernel_tracing ? 1 : 0;
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
    return object;
}

// The maps that hold state; libbpf's own for constants and variables belong to the programs.
std::vector<bpf_map*> state_maps(const Object& object) {
    std::vector<bpf_map*> maps;
    bpf_map* map = nullptr;
    while ((map = bpf_object__next_map(object->obj, map)) != nullptr) {
        if (!bpf_map__is_internal(map)) {
            maps.push_back(map);
        }
    }
    return maps;
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
                         const std::set<std::string>& wanted) {
    FSM_ASSIGN(Object object, open_object(options));
    FSM_TRY(reuse_maps(object, reused));
    for (const ProgramSpec& spec : program_specs()) {
        bpf_program* program = bpf_object__find_program_by_name(object->obj, spec.name);
        if (program == nullptr) {
            return Error(std::string("the embedded BPF object has no program ") + spec.name);
        }
        bpf_program__set_autoload(program, wanted.contains(spec.name));
    }
    const LibbpfLog log;
    const int failed = fsm_bpf__load(object.get());
    if (failed != 0) {
        return log.error("load BPF programs", -failed);
    }
    return object;
}

std::set<std::string> all_programs() {
    std::set<std::string> names;
    for (const ProgramSpec& spec : program_specs()) {
        names.insert(spec.name);
    }
    return names;
}

// Asks the kernel about each program on its own.
Result<std::set<std::string>> accepted_programs(const DatapathOptions& options,
                                                std::vector<KernelCapability>& refusals) {
    std::set<std::string> accepted;
    for (const ProgramSpec& spec : program_specs()) {
        auto trial = load_only(options, {}, {spec.name});
        if (trial) {
            accepted.insert(spec.name);
            continue;
        }
        const std::string detail =
            "needs Linux " + std::string(spec.since) + ": " + trial.error().message();
        if (spec.need == Need::mandatory) {
            return Error(std::string(spec.hook) + " (" + spec.name +
                             "), without which nothing can be intercepted, " + detail,
                         trial.error().errno_value());
        }
        refusals.push_back({std::string("program ") + spec.name, false, detail});
    }
    return accepted;
}

Result<Object> load_what_the_kernel_takes(const DatapathOptions& options, const MapSet& reused,
                                          std::vector<KernelCapability>& refusals) {
    auto object = load_only(options, reused, all_programs());
    if (object) {
        return object;
    }
    FSM_ASSIGN(const std::set<std::string> accepted, accepted_programs(options, refusals));
    if (accepted == all_programs()) {
        return std::move(object.error());  // not the fault of any program
    }
    return load_only(options, reused, accepted);
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

// Before Linux 5.11 the memory of maps counted against this limit; later it has no effect on them,
// so a failure does not matter unless a map cannot be made, which then says so.
void raise_memory_limit() {
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    (void)setrlimit(RLIMIT_MEMLOCK, &unlimited);
}

}  // namespace

const std::vector<ProgramSpec>& program_specs() {
    static const std::vector<ProgramSpec> specs = {
        {"fsm_connect4", "cgroup/connect4", HookKind::cgroup, BPF_CGROUP_INET4_CONNECT,
         Need::mandatory, "5.15"},
        {"fsm_connect6", "cgroup/connect6", HookKind::cgroup, BPF_CGROUP_INET6_CONNECT,
         Need::mandatory, "5.15"},
        {"fsm_peername4", "cgroup/getpeername4", HookKind::cgroup, BPF_CGROUP_INET4_GETPEERNAME,
         Need::mandatory, "5.8"},
        {"fsm_peername6", "cgroup/getpeername6", HookKind::cgroup, BPF_CGROUP_INET6_GETPEERNAME,
         Need::mandatory, "5.8"},
        {"fsm_sockname4", "cgroup/getsockname4", HookKind::cgroup, BPF_CGROUP_INET4_GETSOCKNAME,
         Need::mandatory, "5.8"},
        {"fsm_sockname6", "cgroup/getsockname6", HookKind::cgroup, BPF_CGROUP_INET6_GETSOCKNAME,
         Need::mandatory, "5.8"},
        {"fsm_getsockopt", "cgroup/getsockopt", HookKind::cgroup, BPF_CGROUP_GETSOCKOPT,
         Need::mandatory, "5.15"},
        {"fsm_sockops", "sockops", HookKind::cgroup, BPF_CGROUP_SOCK_OPS, Need::mandatory, "5.15"},
        {"fsm_msg", "sk_msg", HookKind::socket_map, BPF_SK_MSG_VERDICT, Need::optional, "5.15"},
        {"fsm_lookup", "sk_lookup", HookKind::netns, BPF_SK_LOOKUP, Need::optional, "5.9"},
        {"fsm_steer", "sk_lookup, for all pods", HookKind::call, BPF_SK_LOOKUP, Need::optional,
         "5.9"},
        {"fsm_ingress", "tc ingress", HookKind::tc, kNoAttachType, Need::optional, "5.15"},
        {"fsm_egress", "tc egress", HookKind::tc, kNoAttachType, Need::optional, "5.15"},
        {"fsm_tc_in", "tc ingress, for all pods", HookKind::call, kNoAttachType, Need::optional,
         "5.15"},
        {"fsm_tc_out", "tc egress, for all pods", HookKind::call, kNoAttachType, Need::optional,
         "5.15"},
    };
    return specs;
}

const std::vector<ProgramCall>& program_calls() {
    static const std::vector<ProgramCall> calls = {
        {"fsm_steer", "fsm_lookup_calls", FSM_CALL_LOOKUP},
        {"fsm_tc_in", "fsm_tc_calls", FSM_CALL_INGRESS},
        {"fsm_tc_out", "fsm_tc_calls", FSM_CALL_EGRESS},
    };
    return calls;
}

Result<std::map<std::string, MapShape>> wanted_maps(const DatapathOptions& options) {
    FSM_ASSIGN(const Object object, open_object(options));
    std::map<std::string, MapShape> shapes;
    for (const bpf_map* map : state_maps(object)) {
        shapes[bpf_map__name(map)] = shape_of(map);
    }
    return shapes;
}

Result<LoadedObject> load_programs(const DatapathOptions& options, const MapSet& reused) {
    raise_memory_limit();
    LoadedObject loaded;
    FSM_ASSIGN(const Object object,
               load_what_the_kernel_takes(options, reused, loaded.capabilities));
    for (const ProgramSpec& spec : program_specs()) {
        const bpf_program* program = bpf_object__find_program_by_name(object->obj, spec.name);
        const int fd = bpf_program__fd(program);
        if (fd < 0) {
            continue;
        }
        FSM_ASSIGN(loaded.programs[spec.name], duplicate(fd, spec.name));
        if (spec.need == Need::optional) {
            loaded.capabilities.push_back({std::string("program ") + spec.name, true, "loaded"});
        }
    }
    for (const bpf_map* map : state_maps(object)) {
        FSM_ASSIGN(Fd fd, duplicate(bpf_map__fd(map), bpf_map__name(map)));
        FSM_ASSIGN(BpfMap owned, BpfMap::adopt(std::move(fd)));
        loaded.maps.emplace(bpf_map__name(map), std::move(owned));
    }
    FSM_TRY(copy_pod_programs(object, loaded));
    return loaded;
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
