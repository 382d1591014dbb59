#include "relay/listeners.h"

#include <linux/filter.h>

namespace fsm::test {

Result<ListenerSet> open_listeners(const Config& config) {
    ListenerSet listeners;
    for (const ListenAddress& address : config.addresses) {
        ListenSettings settings;
        settings.reuse_port = config.reuse_port;
        settings.v6_only = address.v6_only;
        FSM_ASSIGN(Fd fd, listen_on(address.endpoint, settings));
        listeners.push_back({address.direction, std::move(fd)});
    }
    return listeners;
}

Result<void> steer_to_successor(const Listener& listener, std::uint64_t own_workers) {
    // Sockets in a group are ordered by listen(). When one is closed, the last one takes its index,
    // so the index stays a successor's until it is past the end; from then on the kernel
    // distributes over the remaining ones, which are the successor's.
    sock_filter choose_successor[] = {
        {BPF_RET | BPF_K, 0, 0, static_cast<std::uint32_t>(own_workers)}};
    const sock_fprog program{1, choose_successor};
    if (setsockopt(listener.fd.get(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
                   sizeof(program)) != 0) {
        return Error::from_errno("steer new connections to the successor");
    }
    return {};
}

}  // namespace fsm::test
