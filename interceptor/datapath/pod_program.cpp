#include "interceptor/datapath/pod_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstddef>

#include "bpf/abi.h"
#include "interceptor/datapath/libbpf_log.h"

namespace fsm {
namespace {

constexpr const char* kLicense = "GPL";
constexpr unsigned kHalf = 32;

// An instruction of two that loads 64 bits; what they mean is in the source register's place.
bool loads_64_bits(const bpf_insn& instruction) {
    return instruction.code == (BPF_LD | BPF_IMM | BPF_DW);
}

bool names_a_map(const bpf_insn& instruction) {
    return loads_64_bits(instruction) && (instruction.src_reg == BPF_PSEUDO_MAP_FD ||
                                          instruction.src_reg == BPF_PSEUDO_MAP_VALUE);
}

std::uint64_t constant_of(const bpf_insn* instruction) {
    return std::uint64_t{static_cast<std::uint32_t>(instruction[1].imm)} << kHalf |
           static_cast<std::uint32_t>(instruction[0].imm);
}

bool is_own_netns(const bpf_insn* instruction) {
    return loads_64_bits(*instruction) && instruction->src_reg == 0 &&
           constant_of(instruction) == FSM_OWN_NETNS;
}

// `work` is called with each instruction and the one after it in reach.
template <typename Work>
void for_each_wide_load(std::vector<bpf_insn>& code, const Work& work) {
    for (std::size_t at = 0; at + 1 < code.size(); ++at) {
        if (loads_64_bits(code[at])) {
            work(&code[at]);
            ++at;
        }
    }
}

}  // namespace

Result<PodProgram> PodProgram::copy_of(const bpf_program* program,
                                       const std::map<int, int>& descriptors) {
    const std::string name = bpf_program__name(program);
    const bpf_insn* first = bpf_program__insns(program);
    std::vector<bpf_insn> code(first, first + bpf_program__insn_cnt(program));
    unsigned unknown_maps = 0;
    unsigned constants = 0;
    for_each_wide_load(code, [&](bpf_insn* instruction) {
        constants += is_own_netns(instruction) ? 1 : 0;
        if (!names_a_map(*instruction)) {
            return;
        }
        const auto found = descriptors.find(instruction->imm);
        if (found == descriptors.end()) {
            ++unknown_maps;
        } else {
            instruction->imm = found->second;
        }
    });
    if (constants != 1 || unknown_maps != 0) {
        return Error("the embedded program " + name +
                     " cannot be made once a pod: it must name its pod once, and no map of "
                     "constants");
    }
    return PodProgram(name, bpf_program__type(program), bpf_program__expected_attach_type(program),
                      std::move(code));
}

Result<Fd> PodProgram::make(std::uint64_t netns_cookie) const {
    std::vector<bpf_insn> code = code_;
    for_each_wide_load(code, [&](bpf_insn* instruction) {
        if (is_own_netns(instruction)) {
            instruction[0].imm = static_cast<std::int32_t>(netns_cookie);
            instruction[1].imm = static_cast<std::int32_t>(netns_cookie >> kHalf);
        }
    });
    bpf_prog_load_opts options{};
    options.sz = sizeof(options);
    options.expected_attach_type = attach_type_;
    Fd program(bpf_prog_load(type_, name_.c_str(), kLicense, code.data(), code.size(), &options));
    if (!program) {
        return Error::from_errno("load the pod's program " + name_);
    }
    return program;
}

}  // namespace fsm
