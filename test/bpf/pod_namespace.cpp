#include "test/bpf/pod_namespace.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <thread>

#include "test/bpf/instance.h"

namespace fsm::test {
namespace {

std::string make_mount_point() {
    std::string path = "/tmp/fsm-bpf-test-netns-XXXXXX";
    const Fd file(mkstemp(path.data()));
    if (!file) {
        throw std::runtime_error("cannot make a mount point");
    }
    return path;
}

Netns make_namespace(const std::string& address, const std::string& mount_point) {
    std::optional<Result<Netns>> netns;
    std::thread([&] {
        if (unshare(CLONE_NEWNET) == 0) {
            fsm::test::shell("mount --bind /proc/self/ns/net " + mount_point +
                             "; ip link set lo up; ip link add eth0 type veth peer name node; "
                             "ip link set node up; ip addr add " +
                             address + "/24 dev eth0; ip link set eth0 up");
            netns.emplace(Netns::current());
        }
    }).join();
    if (!netns) {
        throw std::runtime_error("cannot make a network namespace (is this root?)");
    }
    return must(std::move(*netns));
}

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress to_address(const std::string& text, std::uint16_t port) {
    SocketAddress address;
    if (text.find(':') == std::string::npos) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        inet_pton(AF_INET, text.c_str(), &v4.sin_addr);
        address.length = sizeof(v4);
    } else {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr);
        address.length = sizeof(v6);
    }
    return address;
}

void set_option(const Fd& socket, int level, int option) {
    const int one = 1;
    setsockopt(socket.get(), level, option, &one, sizeof(one));
}

}  // namespace

PodNamespace::PodNamespace(const std::string& address)
    : address_(address),
      mount_point_(make_mount_point()),
      netns_(make_namespace(address, mount_point_)),
      cookie_(must(netns_.cookie())) {}

PodNamespace::~PodNamespace() {
    umount2(mount_point_.c_str(), MNT_DETACH);
    unlink(mount_point_.c_str());
}

PodEnrolment PodNamespace::enrolment() const {
    PodEnrolment enrolment;
    enrolment.netns_cookie = cookie_;
    enrolment.addresses = {must(IpAddress::parse(address_))};
    enrolment.given = {enrolment.addresses.front()};
    enrolment.interfaces = {"eth0"};
    enrolment.policy.sidecar_uid = 1500;
    enrolment.policy.outbound_port4 = enrolment.policy.outbound_port6 = kOutbound;
    enrolment.policy.inbound_port4 = enrolment.policy.inbound_port6 = kInbound;
    return enrolment;
}

void PodNamespace::run(const std::function<void()>& work) const {
    must(netns_.run(work));
}

std::string PodNamespace::shell(const std::string& command) const {
    std::string output;
    run([&] { output = fsm::test::shell(command); });
    return output;
}

Fd PodNamespace::listen(const Bind& bind) const {
    Fd socket;
    const SocketAddress address = to_address(bind.address, bind.port);
    run([&] {
        socket = Fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC,
                             bind.protocol == Bind::Protocol::mptcp ? IPPROTO_MPTCP : 0));
        if (bind.ipv6_only == Bind::Only::yes) {
            set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY);
        }
        if (bind.reuse_port == Bind::Reuse::yes) {
            set_option(socket, SOL_SOCKET, SO_REUSEPORT);
        }
        if (::bind(socket.get(), address.get(), address.length) != 0 ||
            ::listen(socket.get(), 16) != 0) {
            socket.reset();
        }
    });
    if (!socket) {
        throw std::runtime_error(std::string("cannot listen on ") + bind.address);
    }
    return socket;
}

int PodNamespace::connect(const std::string& address, std::uint16_t port) const {
    int error = 0;
    const SocketAddress to = to_address(address, port);
    run([&] {
        const Fd socket(::socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const timeval patience{2, 0};
        setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        error = ::connect(socket.get(), to.get(), to.length) == 0 ? 0 : errno;
    });
    return error;
}

void connect_namespaces(const PodNamespace& a, const PodNamespace& b) {
    const std::string other =
        "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(b.netns().fd().get());
    a.shell("ip link add between type veth peer name between netns " + other +
            "; ip addr add 10.99.0.1/24 dev between; ip link set between up");
    b.shell("ip addr add 10.99.0.2/24 dev between; ip link set between up");
}

}  // namespace fsm::test
