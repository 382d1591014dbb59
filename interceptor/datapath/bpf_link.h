// BpfLink: owns a descriptor of a BPF link, the attachment of a program to a hook. Move-only. The
// attachment exists as long as a descriptor or a pin of it.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <optional>
#include <string>

#include "common/fd.h"
#include "common/result.h"

namespace fsm {

class BpfLink {
  public:
    // `target`: a descriptor of the cgroup or of the network namespace.
    static Result<BpfLink> attach(int program, int target, bpf_attach_type type);
    // Nothing: the pin does not exist.
    static Result<std::optional<BpfLink>> open_pinned(const std::string& path);

    // Replaces the program without a gap.
    Result<void> update(int program) const;
    // Queries the link's program and target from the kernel.
    Result<void> refresh();
    // Ends the attachment now, even if other processes hold the link. Of one whose hook is gone:
    // nothing to do.
    Result<void> detach() const;
    int fd() const { return fd_.get(); }
    std::uint32_t id() const { return info_.id; }
    std::uint32_t program_id() const { return info_.prog_id; }
    // 0 if the hook (cgroup, namespace) no longer exists.
    std::uint64_t cgroup_id() const { return info_.cgroup.cgroup_id; }
    std::uint32_t netns_inode() const { return info_.netns.netns_ino; }

  private:
    BpfLink(Fd fd, const bpf_link_info& info) : fd_(std::move(fd)), info_(info) {}
    static Result<BpfLink> adopt(Fd fd);

    Fd fd_;
    bpf_link_info info_;
};

}  // namespace fsm
