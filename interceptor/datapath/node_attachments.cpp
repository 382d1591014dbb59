#include "interceptor/datapath/node_attachments.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "interceptor/datapath/mounts.h"

namespace fsm {
namespace {

// sk_msg programs have no links before Linux 6.10. Sockets in the map keep the program with which
// they entered.
Result<void> attach_message_program(const BpfMap& sockets, int program) {
    if (bpf_prog_attach(program, sockets.fd(), BPF_SK_MSG_VERDICT, 0) != 0) {
        return Error::from_errno("attach sk_msg to map fsm_sockets");
    }
    return {};
}

Result<void> fill(const BpfMap& array, const ProgramCall& call, int program) {
    return array.put(call.slot, static_cast<std::uint32_t>(program));
}

// 0: the slot is empty.
Result<std::uint32_t> program_in(const BpfMap& array, std::uint32_t slot) {
    FSM_ASSIGN(const auto id, (array.lookup<std::uint32_t, std::uint32_t>(slot)));
    return id.value_or(0);
}

int program_of(const std::map<std::string, Fd>& programs, const char* name) {
    const auto found = programs.find(name);
    return found == programs.end() ? -1 : found->second.get();
}

}  // namespace

// The result of one check: what was restored, and what is still wrong.
struct NodeAttachments::Look {
    std::vector<std::string> repaired;
    std::vector<Problem> broken;

    // Records that `what` was wrong, and the `outcome` of its repair.
    void note(const std::string& subject, const std::string& what, const Result<void>& outcome) {
        if (outcome) {
            repaired.push_back(what);
        } else {
            fail(subject, what + ", and could not be put right: " + outcome.error().message());
        }
    }
    void fail(const std::string& subject, const std::string& text) {
        broken.push_back({"attachment/" + subject, text});
    }
};

Result<NodeAttachments> NodeAttachments::open(const DatapathOptions& options, const PinTree& tree,
                                              const std::string& cgroup) {
    NodeAttachments attachments(options, tree, cgroup);
    FSM_TRY(attachments.open_cgroup());
    FSM_TRY(make_pin_directory(tree.links()));
    for (const ProgramSpec& spec : program_specs()) {
        if (spec.kind != HookKind::cgroup) {
            continue;
        }
        FSM_ASSIGN(auto link, BpfLink::open_pinned(tree.link(spec.name)));
        if (link) {
            attachments.links_.emplace(spec.name, std::move(*link));
        }
    }
    return attachments;
}

NodeAttachments::NodeAttachments(NodeAttachments&& other) noexcept
    : bpffs_(other.bpffs_),
      run_directory_(other.run_directory_),
      mounts_bpffs_(other.mounts_bpffs_),
      tree_(other.tree_),
      path_(other.path_),
      cgroup_(std::move(other.cgroup_)),
      cgroup_id_(other.cgroup_id_),
      links_(std::move(other.links_)),
      broken_(std::move(other.broken_)) {}

Result<void> NodeAttachments::open_cgroup() {
    Fd fd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) {
        return Error::from_errno("open cgroup " + path_);
    }
    struct statfs file_system {};
    struct stat info {};
    if (fstatfs(fd.get(), &file_system) != 0 || fstat(fd.get(), &info) != 0) {
        return Error::from_errno("look at cgroup " + path_);
    }
    if (file_system.f_type != CGROUP2_SUPER_MAGIC) {
        return Error(path_ + " is not in a cgroup2 file system", EINVAL);
    }
    cgroup_ = std::move(fd);
    cgroup_id_ = info.st_ino;  // on 64-bit kernels the inode number is the cgroup's id
    return {};
}

// ---- attach ------------------------------------------------------------------------------------

Result<void> NodeAttachments::attach(const LoadedObject& loaded) {
    const std::lock_guard guard(mutex_);
    for (const ProgramCall& call : program_calls()) {
        const int program = program_of(loaded.programs, call.program);
        if (program >= 0) {
            FSM_TRY(fill(loaded.maps.at(call.array), call, program));
        }
    }
    const int message = program_of(loaded.programs, "fsm_msg");
    if (message >= 0) {
        FSM_TRY(attach_message_program(loaded.maps.at("fsm_sockets"), message));
    }
    for (const ProgramSpec& spec : program_specs()) {
        if (spec.kind == HookKind::cgroup) {
            FSM_TRY(attach_to_cgroup(spec, loaded.programs.at(spec.name).get()));
        }
    }
    return {};
}

// A link to another cgroup is replaced completely, the new one first.
Result<void> NodeAttachments::attach_to_cgroup(const ProgramSpec& spec, int program) {
    const auto present = links_.find(spec.name);
    if (present == links_.end() || present->second.cgroup_id() != cgroup_id_) {
        return make_link(spec, program);
    }
    auto updated = present->second.update(program);
    if (!updated) {
        return std::move(updated.error()).within(spec.hook);
    }
    return present->second.refresh();
}

Result<void> NodeAttachments::make_link(const ProgramSpec& spec, int program) {
    auto link = BpfLink::attach(program, cgroup_.get(), spec.attach_type);
    if (!link) {
        return std::move(link.error())
            .within(std::string(spec.hook) + " on cgroup " + path_ +
                    " (EPERM or EBUSY: another program is attached there without \"multi\"; "
                    "`bpftool cgroup show " +
                    path_ + "` names it)");
    }
    // Kept before it is pinned: without a pin, the attachment ends with this process, not now.
    const int fd = link->fd();
    const auto former = links_.extract(spec.name);
    links_.emplace(spec.name, std::move(*link));
    const std::string path = tree_.link(spec.name);
    FSM_TRY(unpin(path + "_new"));
    FSM_TRY(pin(fd, path + "_new"));
    return rename_pin(path + "_new", path);
}

// ---- verify ------------------------------------------------------------------------------------

std::vector<std::string> NodeAttachments::verify(const MapSet& maps,
                                                 const std::map<std::string, Fd>& programs) {
    const std::lock_guard guard(mutex_);
    Look look;
    verify_bpffs(look);
    verify_cgroup(look);
    for (const ProgramCall& call : program_calls()) {
        const int program = program_of(programs, call.program);
        if (program >= 0) {
            verify_call(call, maps.at(call.array), program, look);
        }
    }
    for (const ProgramSpec& spec : program_specs()) {
        if (spec.kind == HookKind::cgroup) {
            verify_link(spec, program_of(programs, spec.name), look);
        }
    }
    const int message = program_of(programs, "fsm_msg");
    if (message >= 0) {
        verify_message_program(maps.at("fsm_sockets"), message, look);
    }
    for (const auto& [name, map] : maps) {
        verify_map_pin(name, map, look);
    }
    broken_ = std::move(look.broken);
    return std::move(look.repaired);
}

std::vector<Problem> NodeAttachments::broken() const {
    const std::lock_guard guard(mutex_);
    return broken_;
}

bool NodeAttachments::is_attached(const std::string& program) const {
    const std::lock_guard guard(mutex_);
    const auto link = links_.find(program);
    return link != links_.end() && link->second.cgroup_id() == cgroup_id_;
}

void NodeAttachments::verify_bpffs(Look& look) {
    struct statfs file_system {};
    if (statfs(bpffs_.c_str(), &file_system) == 0 && file_system.f_type == BPF_FS_MAGIC) {
        if (access(tree_.root().c_str(), F_OK) == 0) {
            return;
        }
        look.note("pins", "the pins below " + tree_.root() + " were gone",
                  make_pin_directory(tree_.links()));
        return;
    }
    const std::string what = "no bpffs is mounted at " + bpffs_ + " any more";
    auto mounted = mounts_bpffs_ ? ensure_bpffs(bpffs_, run_directory_) : require_bpffs(bpffs_);
    if (mounted) {
        mounted = make_pin_directory(tree_.links());
    }
    look.note("bpffs", what, mounted);
}

void NodeAttachments::verify_cgroup(Look& look) {
    struct stat info {};
    if (stat(path_.c_str(), &info) == 0 && info.st_ino == cgroup_id_) {
        return;
    }
    look.note("cgroup", "the cgroup " + path_ + " was replaced by another one", open_cgroup());
}

void NodeAttachments::verify_link(const ProgramSpec& spec, int program, Look& look) {
    const std::string name = spec.name;
    const std::string what = std::string("program ") + spec.name + " (" + spec.hook + ")";
    const auto found = links_.find(name);
    if (found == links_.end()) {
        look.note(name, what + " was not attached", make_link(spec, program));
        return;
    }
    BpfLink& link = found->second;
    if (auto asked = link.refresh(); !asked) {
        look.fail(name, what + ": " + asked.error().message());
        return;
    }
    if (link.cgroup_id() != cgroup_id_) {
        look.note(name, what + " was detached from cgroup " + path_, make_link(spec, program));
        return;
    }
    const auto wanted = program_id(program);
    if (!wanted || link.program_id() != *wanted) {
        look.note(name, "the link of " + what + " held another program",
                  attach_to_cgroup(spec, program));
    }
    const std::string path = tree_.link(name);
    const auto pinned = BpfLink::open_pinned(path);
    if (pinned && *pinned && (*pinned)->id() == link.id()) {
        return;
    }
    auto mended = make_pin_directory(tree_.links());
    if (mended) {
        const auto removed = unpin(path);
        mended = removed ? pin(link.fd(), path) : Result<void>(removed.error());
    }
    look.note(name, "the pin " + path + " was gone", mended);
}

void NodeAttachments::verify_map_pin(const std::string& name, const BpfMap& map, Look& look) const {
    const std::string path = tree_.maps() + "/" + name;
    const auto pinned = BpfMap::open_pinned(path);
    if (pinned && pinned->id() == map.id()) {
        return;
    }
    auto mended = make_pin_directory(tree_.maps());
    if (mended) {
        const auto removed = unpin(path);
        mended = removed ? pin(map.fd(), path) : Result<void>(removed.error());
    }
    look.note(name, "the pin " + path + " was gone", mended);
}

void NodeAttachments::verify_call(const ProgramCall& call, const BpfMap& array, int program,
                                  Look& look) {
    const auto wanted = program_id(program);
    const auto present = program_in(array, call.slot);
    if (wanted && present && *wanted == *present) {
        return;
    }
    look.note(call.program,
              std::string("program ") + call.program + " was not in the array " + call.array,
              fill(array, call, program));
}

// Kernels before 5.19 do not report it; there it is attached again, which changes nothing.
void NodeAttachments::verify_message_program(const BpfMap& sockets, int program, Look& look) {
    std::array<std::uint32_t, 4> ids{};
    auto count = static_cast<std::uint32_t>(ids.size());
    const bool known =
        bpf_prog_query(sockets.fd(), BPF_SK_MSG_VERDICT, 0, nullptr, ids.data(), &count) == 0;
    const auto wanted = program_id(program);
    if (known && wanted && count == 1 && ids[0] == *wanted) {
        return;
    }
    auto attached = attach_message_program(sockets, program);
    if (known || !attached) {
        look.note("fsm_msg", "program fsm_msg was not attached to the socket map", attached);
    }
}

}  // namespace fsm
