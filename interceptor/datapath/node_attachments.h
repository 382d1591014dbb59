// NodeAttachments: the node-wide attachments of the data path, which belong to no pod: the links
// that attach programs to the cgroup, the program of the socket map, the program arrays by which
// per-pod programs call the shared ones, and the pins of all of these.
//
// It keeps descriptors of the links, so that the removal of a pin detaches nothing, and checks
// every attachment once per pass: what other programs have detached, replaced or unpinned is
// restored at once. What cannot be restored is a condition of the node until a later check
// succeeds.
//
// Threads: every function may be called from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "interceptor/datapath/bpf_link.h"
#include "interceptor/datapath/options.h"
#include "interceptor/datapath/pins.h"
#include "interceptor/datapath/programs.h"
#include "interceptor/interception/inspection.h"

namespace fsm {

class NodeAttachments {
  public:
    // Takes over the links that an earlier process has pinned. `cgroup`: a directory of a cgroup2
    // file system.
    static Result<NodeAttachments> open(const DatapathOptions& options, const PinTree& tree,
                                        const std::string& cgroup);

    NodeAttachments(NodeAttachments&& other) noexcept;
    NodeAttachments& operator=(NodeAttachments&&) = delete;

    // Fills the arrays, attaches the programs or replaces the attached ones, and pins the links.
    // From then on verify() expects the programs of `loaded`.
    Result<void> attach(const LoadedObject& loaded);

    // Checks everything, and restores what is missing. Returns what was restored; what could not be
    // is in broken() until the next call. `maps` and `programs`: of the attached object.
    std::vector<std::string> verify(const MapSet& maps, const std::map<std::string, Fd>& programs);
    std::vector<Problem> broken() const;

    // Whether the program is attached to the cgroup, as of the last check.
    bool is_attached(const std::string& program) const;

  private:
    struct Look;

    NodeAttachments(const DatapathOptions& options, const PinTree& tree, std::string cgroup)
        : bpffs_(options.bpffs),
          run_directory_(options.run_directory),
          mounts_bpffs_(options.mount_bpffs),
          tree_(tree),
          path_(std::move(cgroup)) {}

    // With mutex_ held.
    Result<void> open_cgroup();
    Result<void> attach_to_cgroup(const ProgramSpec& spec, int program);
    Result<void> make_link(const ProgramSpec& spec, int program);
    void verify_bpffs(Look& look);
    void verify_cgroup(Look& look);
    void verify_link(const ProgramSpec& spec, int program, Look& look);
    void verify_map_pin(const std::string& name, const BpfMap& map, Look& look) const;
    static void verify_call(const ProgramCall& call, const BpfMap& array, int program, Look& look);
    static void verify_message_program(const BpfMap& sockets, int program, Look& look);

    const std::string bpffs_;
    const std::string run_directory_;
    const bool mounts_bpffs_;
    const PinTree tree_;
    const std::string path_;
    mutable std::mutex mutex_;
    Fd cgroup_;
    std::uint64_t cgroup_id_ = 0;
    std::map<std::string, BpfLink> links_;  // by program
    std::vector<Problem> broken_;
};

}  // namespace fsm
