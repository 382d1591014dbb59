#include "interceptor/datapath/connection_list.h"

#include <bpf/bpf.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <unordered_set>

#include "bpf/connections.h"
#include "interceptor/datapath/policy.h"

namespace fsm {
namespace {

// The values of enum fsm_place in bpf/maps.h, in their order.
constexpr std::uint8_t kFirstPlace = 1;
constexpr std::uint8_t kLastPlace = 7;
constexpr std::uint8_t kStateSynSent = 2;
constexpr std::uint8_t kStateFinWait2 = 5;

bool is_redirected(EndKind kind) {
    return kind != EndKind::plain_client && kind != EndKind::plain_server;
}

// Bytes without the one that a FIN counts as.
template <typename Number>
Number without_fin(Number bytes, bool fin) {
    return bytes - (fin && bytes > 0 ? 1 : 0);
}

// The queue of an accelerated socket also has redirected data. What came by TCP takes more memory
// there than it has bytes, so the redirected part is known only when there is nothing else.
std::uint32_t unread_of(const struct fsm_open_socket& socket) {
    const bool accelerated = (socket.flags & FSM_OPEN_IN_SOCKET_MAP) != 0;
    return accelerated && socket.unread == 0
               ? socket.queued
               : without_fin(socket.unread, (socket.flags & FSM_OPEN_FIN_RECEIVED) != 0);
}

OpenSocket from_kernel(const struct fsm_open_socket& socket) {
    OpenSocket open;
    open.netns_cookie = socket.netns_cookie;
    open.socket_cookie = socket.socket_cookie;
    open.kind = static_cast<EndKind>(socket.place - kFirstPlace);
    open.state = socket.state;
    open.local = {ip_address(socket.local), socket.local_port};
    open.remote = {ip_address(socket.remote), socket.remote_port};
    if (is_redirected(open.kind)) {
        open.original = Endpoint{ip_address(socket.original), socket.original_port};
    }
    if (socket.age_ns != 0 && socket.state != kStateSynSent) {
        open.age = std::chrono::nanoseconds(socket.age_ns);
        open.key = ConnectionKey{socket.client_isn, socket.server_isn};
    }
    open.received_by_tcp =
        without_fin(socket.received, (socket.flags & FSM_OPEN_FIN_RECEIVED) != 0);
    open.sent_by_tcp = without_fin(socket.acked, socket.state == kStateFinWait2);
    open.redirected = socket.redirected;
    open.unread = unread_of(socket);
    open.unsent = socket.unsent;
    open.uid = socket.uid;
    open.in_mesh = (socket.flags & FSM_OPEN_IN_MESH) != 0;
    open.of_sidecar = (socket.flags & FSM_OPEN_SIDECAR) != 0;
    open.accelerated = (socket.flags & FSM_OPEN_IN_SOCKET_MAP) != 0;
    open.knows_peer = (socket.flags & FSM_OPEN_KNOWS_PEER) != 0;
    open.has_ulp = (socket.flags & FSM_OPEN_ULP) != 0;
    open.mptcp = (socket.flags & FSM_OPEN_MPTCP) != 0;
    open.scope = acceleration_of(socket.scope);
    if (open.in_mesh && socket.scope_needed <= FSM_SCOPE_FULL) {
        open.scope_needed = acceleration_of(socket.scope_needed);
    }
    return open;
}

Result<Fd> attach(const Fd& program, const BpfMap& storage) {
    bpf_iter_link_info over{};
    over.map.map_fd = static_cast<std::uint32_t>(storage.fd());
    LIBBPF_OPTS(bpf_link_create_opts, options);
    options.iter_info = &over;
    options.iter_info_len = sizeof(over);
    const Fd link(bpf_link_create(program.get(), 0, BPF_TRACE_ITER, &options));
    if (!link) {
        return Error::from_errno("attach the iterator over the sockets' storage");
    }
    Fd iterator(bpf_iter_create(link.get()));
    if (!iterator) {
        return Error::from_errno("start the iterator over the sockets' storage");
    }
    return iterator;
}

// The records of the latest read, which the program writes.
class Records {
  public:
    static Result<Records> map(const BpfMap& map) {
        void* memory = mmap(nullptr, kSize, PROT_READ, MAP_SHARED, map.fd(), 0);
        if (memory == MAP_FAILED) {
            return Error::from_errno("map the memory of the iterator's records");
        }
        return Records(static_cast<const struct fsm_open_socket*>(memory));
    }

    const struct fsm_open_socket& at(std::size_t slot) const { return records_.get()[slot]; }

  private:
    static constexpr std::size_t kSize = sizeof(struct fsm_open_socket) * FSM_OPEN_SLOTS;
    struct Unmap {
        void operator()(const struct fsm_open_socket* records) const {
            munmap(const_cast<struct fsm_open_socket*>(records), kSize);
        }
    };

    explicit Records(const struct fsm_open_socket* records) : records_(records) {}

    std::unique_ptr<const struct fsm_open_socket, Unmap> records_;
};

// Between two reads sockets can come and go: then the kernel may return one twice, or leave one
// out. A read has room for the sockets of all but the largest nodes.
Result<std::vector<OpenSocket>> read_all(const Fd& iterator, const Records& records) {
    std::vector<OpenSocket> sockets;
    std::unordered_set<std::uint64_t> seen;
    std::vector<char> one_each(FSM_OPEN_SLOTS);
    while (true) {
        const ssize_t count = read(iterator.get(), one_each.data(), one_each.size());
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
            continue;
        }
        if (count < 0) {
            return Error::from_errno("read the sockets of the iterator");
        }
        if (count == 0) {
            return sockets;
        }
        for (std::size_t slot = 0; slot < static_cast<std::size_t>(count); ++slot) {
            const struct fsm_open_socket& record = records.at(slot);
            if (record.place >= kFirstPlace && record.place <= kLastPlace &&
                seen.insert(record.socket_cookie).second) {
                sockets.push_back(from_kernel(record));
            }
        }
    }
}

}  // namespace

Result<std::vector<OpenSocket>> list_open_sockets(const DatapathOptions& options,
                                                  const LoadedObject& loaded) {
    if (!loaded.used.contains(Feature::connections)) {
        return Error(disabled_reason(Feature::connections), EOPNOTSUPP);
    }
    auto requested = load_on_request(options, loaded, Feature::connections);
    // Loading has read the kernel's type information, tens of megabytes.
    (void)malloc_trim(0);
    if (!requested) {
        return std::move(requested.error())
            .within("load the iterator over open connections, which needs Linux " +
                    std::string(spec_of(Feature::connections).programs.front().since));
    }
    FSM_ASSIGN(const Fd iterator, attach(requested->program, loaded.maps.at("fsm_conn")));
    FSM_ASSIGN(const Records records, Records::map(requested->maps.at(kConnectionsMap)));
    return read_all(iterator, records);
}

}  // namespace fsm
