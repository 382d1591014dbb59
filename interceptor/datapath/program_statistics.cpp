#include "interceptor/datapath/program_statistics.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "interceptor/datapath/features.h"

namespace fsm {
namespace {

// More maps than any of our programs uses.
constexpr std::size_t kMostMaps = 64;

struct Program {
    bpf_prog_info info{};
    std::array<std::uint32_t, kMostMaps> maps{};
};

// False: the program has ended meanwhile.
Result<bool> describe(std::uint32_t id, Program& program) {
    const Fd fd(bpf_prog_get_fd_by_id(id));
    if (!fd) {
        return errno == ENOENT ? Result<bool>(false)
                               : Error::from_errno("open program " + std::to_string(id));
    }
    program.info.nr_map_ids = kMostMaps;
    program.info.map_ids = reinterpret_cast<std::uint64_t>(program.maps.data());
    std::uint32_t length = sizeof(program.info);
    if (bpf_obj_get_info_by_fd(fd.get(), &program.info, &length) != 0) {
        return Error::from_errno("ask the kernel about program " + std::to_string(id));
    }
    return true;
}

// The kernel keeps the first characters of a name.
const ProgramSpec* spec_of(const Program& program) {
    const auto& specs = program_specs();
    const auto found = std::find_if(specs.begin(), specs.end(), [&](const ProgramSpec& spec) {
        return spec.kind != HookKind::call &&
               std::strncmp(spec.name, program.info.name, BPF_OBJ_NAME_LEN - 1) == 0;
    });
    return found == specs.end() ? nullptr : &*found;
}

}  // namespace

ProgramMeter::ProgramMeter(const MapSet& maps) {
    for (const auto& [name, map] : maps) {
        maps_.insert(map.id());
    }
}

Result<void> ProgramMeter::switch_on() {
    if (switched_on_) {
        return {};
    }
    switched_on_.reset(bpf_enable_stats(BPF_STATS_RUN_TIME));
    if (!switched_on_) {
        return Error::from_errno(
            "switch the kernel's statistics of programs on, which programStatistics asks for and "
            "Linux 5.8 and CAP_SYS_ADMIN allow");
    }
    return {};
}

Result<std::vector<ProgramStatistics>> ProgramMeter::read() {
    const std::lock_guard guard(mutex_);
    FSM_TRY(switch_on());
    ById seen;
    std::uint32_t id = 0;
    while (bpf_prog_get_next_id(id, &id) == 0) {
        FSM_TRY(look_at(id, seen));
    }
    if (errno != ENOENT) {
        return Error::from_errno("list the programs of this kernel");
    }
    last_ = std::move(seen);
    std::vector<ProgramStatistics> statistics;
    for (const ProgramSpec& spec : program_specs()) {
        if (const auto found = sums_.find(spec.name); found != sums_.end()) {
            statistics.push_back(
                {spec.name, spec.hook, found->second.runs, found->second.nanoseconds});
        }
    }
    return statistics;
}

Result<void> ProgramMeter::look_at(std::uint32_t id, ById& seen) {
    Program program;
    FSM_ASSIGN(const bool lives, describe(id, program));
    const ProgramSpec* spec = lives ? spec_of(program) : nullptr;
    const auto used = std::min<std::size_t>(program.info.nr_map_ids, kMostMaps);
    const bool is_ours =
        spec != nullptr && std::any_of(program.maps.begin(), program.maps.begin() + used,
                                       [&](std::uint32_t map) { return maps_.contains(map); });
    if (!is_ours) {
        return {};
    }
    const Counted now{program.info.run_cnt, program.info.run_time_ns};
    const Counted before = last_[id];
    Counted& sum = sums_[spec->name];
    sum.runs += now.runs - std::min(before.runs, now.runs);
    sum.nanoseconds += now.nanoseconds - std::min(before.nanoseconds, now.nanoseconds);
    seen[id] = now;
    return {};
}

}  // namespace fsm
