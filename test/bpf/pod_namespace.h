// PodNamespace: a network namespace like a CNI plugin's, with a sidecar's sockets in it.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/netns.h"
#include "interceptor/interception/enrolment.h"

namespace fsm::test {

inline constexpr std::uint16_t kOutbound = 15001;
inline constexpr std::uint16_t kInbound = 15003;

// How a listener is bound.
struct Bind {
    const char* address;
    std::uint16_t port;
    enum class Only : std::uint8_t { no, yes } ipv6_only = Only::no;
    enum class Reuse : std::uint8_t { no, yes } reuse_port = Reuse::no;
    enum class Protocol : std::uint8_t { tcp, mptcp } protocol = Protocol::tcp;
};

class PodNamespace {
  public:
    // lo, and eth0 with `address`/24. The namespace is mounted, as a pod's is.
    explicit PodNamespace(const std::string& address);
    ~PodNamespace();
    PodNamespace(const PodNamespace&) = delete;
    PodNamespace& operator=(const PodNamespace&) = delete;

    const Netns& netns() const { return netns_; }
    std::uint64_t cookie() const { return cookie_; }
    PodEnrolment enrolment() const;

    void run(const std::function<void()>& work) const;
    std::string shell(const std::string& command) const;
    Fd listen(const Bind& bind) const;
    // 0, or the errno of connect.
    int connect(const std::string& address, std::uint16_t port) const;

  private:
    std::string address_;
    std::string mount_point_;
    Netns netns_;
    std::uint64_t cookie_;
};

// A veth pair between the two, 10.99.0.1/24 (in `a`) and 10.99.0.2/24 (in `b`), called "between".
void connect_namespaces(const PodNamespace& a, const PodNamespace& b);

}  // namespace fsm::test
