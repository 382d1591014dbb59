#include "interceptor/datapath/bpf_link.h"

#include <bpf/bpf.h>

#include <cerrno>

namespace fsm {

Result<BpfLink> BpfLink::adopt(Fd fd) {
    BpfLink link(std::move(fd), bpf_link_info{});
    FSM_TRY(link.refresh());
    return link;
}

Result<BpfLink> BpfLink::attach(int program, int target, bpf_attach_type type) {
    Fd fd(bpf_link_create(program, target, type, nullptr));
    if (!fd) {
        return Error::from_errno("attach by BPF link");
    }
    return adopt(std::move(fd));
}

Result<std::optional<BpfLink>> BpfLink::open_pinned(const std::string& path) {
    Fd fd(bpf_obj_get(path.c_str()));
    if (!fd) {
        if (errno == ENOENT) {
            return std::optional<BpfLink>();
        }
        return Error::from_errno("open pinned link " + path);
    }
    auto link = adopt(std::move(fd));
    if (!link) {
        return std::move(link.error()).within(path);
    }
    return std::optional<BpfLink>(std::move(*link));
}

Result<void> BpfLink::update(int program) const {
    if (bpf_link_update(fd_.get(), program, nullptr) != 0) {
        return Error::from_errno("replace the program of a BPF link");
    }
    return {};
}

Result<void> BpfLink::refresh() {
    bpf_link_info info{};
    std::uint32_t length = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd_.get(), &info, &length) != 0) {
        return Error::from_errno("ask the kernel about a BPF link");
    }
    info_ = info;
    return {};
}

Result<void> BpfLink::detach() const {
    if (bpf_link_detach(fd_.get()) != 0 && errno != ENOLINK) {
        return Error::from_errno("detach a BPF link");
    }
    return {};
}

}  // namespace fsm
