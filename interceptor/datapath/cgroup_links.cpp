#include "interceptor/datapath/cgroup_links.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>

#include "interceptor/datapath/bpf_link.h"

namespace fsm {

Result<CgroupLinks> CgroupLinks::open(const PinTree& tree, const std::string& cgroup) {
    Fd fd(::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) {
        return Error::from_errno("open cgroup " + cgroup);
    }
    struct statfs file_system {};
    struct stat info {};
    if (fstatfs(fd.get(), &file_system) != 0 || fstat(fd.get(), &info) != 0) {
        return Error::from_errno("look at cgroup " + cgroup);
    }
    if (file_system.f_type != CGROUP2_SUPER_MAGIC) {
        return Error(cgroup + " is not in a cgroup2 file system", EINVAL);
    }
    FSM_TRY(make_pin_directory(tree.links()));
    // On 64-bit kernels the inode number is the cgroup's id.
    return CgroupLinks(tree, cgroup, std::move(fd), info.st_ino);
}

Result<void> CgroupLinks::attach(const ProgramSpec& spec, int program) const {
    const std::string path = tree_.link(spec.name);
    FSM_ASSIGN(const auto present, BpfLink::open_pinned(path));
    if (present && present->cgroup_id() == id_) {
        auto updated = present->update(program);
        if (!updated) {
            return std::move(updated.error()).within(spec.hook);
        }
        return {};
    }
    auto link = BpfLink::attach(program, fd_.get(), spec.attach_type);
    if (!link) {
        return std::move(link.error())
            .within(std::string(spec.hook) + " on cgroup " + path_ +
                    " (EPERM or EBUSY: another program is attached there without \"multi\")");
    }
    FSM_TRY(unpin(path + "_new"));
    FSM_TRY(pin(link->fd(), path + "_new"));
    return rename_pin(path + "_new", path);
}

Result<bool> CgroupLinks::is_attached(const ProgramSpec& spec, std::uint32_t program) const {
    FSM_ASSIGN(const auto link, BpfLink::open_pinned(tree_.link(spec.name)));
    return link && link->cgroup_id() == id_ && link->program_id() == program;
}

}  // namespace fsm
