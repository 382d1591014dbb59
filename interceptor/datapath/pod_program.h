// PodProgram: the template of a per-pod program, with the pod's netns cookie as a constant in its
// code (bpf/abi.h, FSM_OWN_NETNS). Loading one takes a tenth of a millisecond.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/result.h"

struct bpf_program;

namespace fsm {

class PodProgram {
  public:
    // Made from a loaded program. `descriptors`: our descriptors of the maps in its code, by those
    // of the original object. Ours must exist as long as programs are made.
    static Result<PodProgram> copy_of(const bpf_program* program,
                                      const std::map<int, int>& descriptors);

    // Loads the program of the pod with this cookie.
    Result<Fd> make(std::uint64_t netns_cookie) const;

  private:
    PodProgram(std::string name, bpf_prog_type type, bpf_attach_type attach_type,
               std::vector<bpf_insn> code)
        : name_(std::move(name)), type_(type), attach_type_(attach_type), code_(std::move(code)) {}

    std::string name_;
    bpf_prog_type type_;
    bpf_attach_type attach_type_;
    std::vector<bpf_insn> code_;
};

}  // namespace fsm
