// The links that attach the programs for all sockets below a cgroup.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "common/fd.h"
#include "common/result.h"
#include "interceptor/datapath/pins.h"
#include "interceptor/datapath/programs.h"

namespace fsm {

class CgroupLinks {
  public:
    static Result<CgroupLinks> open(const PinTree& tree, const std::string& cgroup);

    // Replaces the program of the pinned link, or makes and pins a link (beside programs of others:
    // links imply "multi"). A link to another cgroup than this one is replaced as a whole, the new
    // one first.
    Result<void> attach(const ProgramSpec& spec, int program) const;
    // Whether the pinned link holds the program with this id on this cgroup.
    Result<bool> is_attached(const ProgramSpec& spec, std::uint32_t program) const;

  private:
    CgroupLinks(const PinTree& tree, std::string path, Fd fd, std::uint64_t id)
        : tree_(tree), path_(std::move(path)), fd_(std::move(fd)), id_(id) {}

    PinTree tree_;
    std::string path_;
    Fd fd_;
    std::uint64_t id_;
};

}  // namespace fsm
