#include "interceptor/datapath/probe_lab.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "common/netns.h"
#include "interceptor/datapath/libbpf_log.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#include "bpf/fsm_probe.skel.h"
#pragma GCC diagnostic pop

namespace fsm {
namespace {

constexpr std::uint32_t kWriterKey = 0;
constexpr std::uint32_t kReaderKey = 1;  // PROBE_RECEIVER of the program
constexpr int kLoopbackIndex = 1;        // in every network namespace

Result<void> bring_up_loopback() {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strncpy(request.ifr_name, "lo", sizeof(request.ifr_name) - 1);
    request.ifr_flags = IFF_UP;
    if (!socket || ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
        return Error::from_errno("bring up loopback in the namespace of the kernel probe");
    }
    return {};
}

Result<std::uint16_t> bound_port(int socket) {
    sockaddr_in address{};
    socklen_t length = sizeof(address);
    if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
        return Error::from_errno("read a probe socket's address");
    }
    return ntohs(address.sin_port);
}

Result<ProbeConnection> loopback_connection() {
    const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (!listener || bind(listener.get(), generic, sizeof(address)) != 0 ||
        listen(listener.get(), 1) != 0) {
        return Error::from_errno("listen on loopback for the kernel probe");
    }
    FSM_ASSIGN(const std::uint16_t port, bound_port(listener.get()));
    address.sin_port = htons(port);
    Fd writer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!writer || ::connect(writer.get(), generic, sizeof(address)) != 0) {
        return Error::from_errno("connect on loopback for the kernel probe");
    }
    Fd reader(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!reader) {
        return Error::from_errno("accept on loopback for the kernel probe");
    }
    return ProbeConnection{std::move(writer), std::move(reader)};
}

Result<void> enter_socket(int map, std::uint32_t key, int socket) {
    const std::uint64_t value = static_cast<std::uint64_t>(socket);
    if (bpf_map_update_elem(map, &key, &value, BPF_ANY) != 0) {
        return Error::from_errno("enter a socket into the probe's socket map");
    }
    return {};
}

}  // namespace

void ProbeLab::ObjectDeleter::operator()(fsm_probe* object) const {
    fsm_probe__destroy(object);
}

ProbeLab::~ProbeLab() = default;

Result<std::unique_ptr<ProbeLab>> ProbeLab::create() {
    if (unshare(CLONE_NEWNET) != 0) {
        return Error::from_errno("make a network namespace for the kernel probe");
    }
    FSM_TRY(bring_up_loopback());
    std::unique_ptr<ProbeLab> lab(new ProbeLab);
    lab->load();
    return lab;
}

void ProbeLab::load() {
    const LibbpfLog log;
    object_.reset(fsm_probe__open_and_load());
    if (!object_) {
        refusal_ = log.error("load the probe programs", errno).message();
        return;
    }
    if (bpf_prog_attach(bpf_program__fd(object_->progs.probe_msg),
                        bpf_map__fd(object_->maps.probe_sockets), BPF_SK_MSG_VERDICT, 0) != 0) {
        refusal_ = log.error("attach sk_msg to a socket map", errno).message();
    }
}

Result<ProbeConnection> ProbeLab::connect() {
    choose(ProbePath::tcp);
    FSM_ASSIGN(ProbeConnection connection, loopback_connection());
    FSM_ASSIGN(const std::uint16_t port, bound_port(connection.writer.get()));
    const int map = bpf_map__fd(object_->maps.probe_sockets);
    FSM_TRY(enter_socket(map, kWriterKey, connection.writer.get()));
    FSM_TRY(enter_socket(map, kReaderKey, connection.reader.get()));
    auto& shared = *object_->bss;
    shared.receiver = 0;
    shared.receiver_cookie = 0;
    shared.receiver_copied_seq = 0;
    shared.receiver_unread = 0;
    shared.failed_reads = 0;
    shared.messages = 0;
    shared.sender_port = port;
    return connection;
}

void ProbeLab::choose(ProbePath path) {
    object_->bss->redirecting = path == ProbePath::redirected ? 1 : 0;
}

ReaderSeen ProbeLab::seen() const {
    const auto& shared = *object_->bss;
    return ReaderSeen{shared.receiver_cookie, shared.receiver_copied_seq,
                      shared.receiver_unread, shared.failed_reads,
                      shared.messages,        shared.receiver != 0};
}

Result<void> ProbeLab::try_sk_lookup() const {
    FSM_ASSIGN(const Netns netns, Netns::current());
    const Fd link(bpf_link_create(bpf_program__fd(object_->progs.probe_lookup), netns.fd().get(),
                                  BPF_SK_LOOKUP, nullptr));
    if (!link) {
        return Error::from_errno("attach sk_lookup to a network namespace (Linux 5.9)");
    }
    return {};
}

Result<void> ProbeLab::try_tc() const {
    const LibbpfLog log;
    bpf_tc_hook hook{};
    hook.sz = sizeof(hook);
    hook.ifindex = kLoopbackIndex;
    hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
    int failed = bpf_tc_hook_create(&hook);
    if (failed != 0) {
        return log.error("add a clsact qdisc (Linux 4.5, sch_ingress)", -failed);
    }
    hook.attach_point = BPF_TC_INGRESS;
    bpf_tc_opts options{};
    options.sz = sizeof(options);
    options.prog_fd = bpf_program__fd(object_->progs.probe_tc);
    failed = bpf_tc_attach(&hook, &options);
    if (failed != 0) {
        return log.error("add a BPF filter to clsact (Linux 4.4, cls_bpf)", -failed);
    }
    return {};
}

}  // namespace fsm
