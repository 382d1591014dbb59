#include "interceptor/sync/netns_view.h"

#include <gtest/gtest.h>

#include "test/unit/sync/test_netns.h"

namespace fsm::testing {

namespace {

NetnsView view_of(const TestNetns& netns) {
    const auto opened = Netns::open(netns.path());
    auto view = inspect_netns(*opened, "eth0");
    EXPECT_TRUE(view) << view.error().message();
    return view ? *view : NetnsView();
}

TEST(NetnsView, LeavesOutLoopbackAndLinkLocal) {
    const TestNetns netns({"addr add 10.77.0.5/24 dev eth0", "addr add 169.254.3.4/16 dev eth0",
                           "addr add fe80::9/64 dev eth0 nodad", "addr add 10.99.0.1/32 dev lo"});
    const auto view = view_of(netns);
    EXPECT_EQ(view.cookie, netns.cookie());
    ASSERT_EQ(view.addresses.size(), 2U);
    EXPECT_EQ(view.addresses[0].address.to_string(), "10.77.0.5");
    EXPECT_EQ(view.addresses[0].network.to_string(), "10.77.0.0/24");
    EXPECT_EQ(view.addresses[1].address.to_string(), "10.99.0.1")
        << "an address of lo is the pod's";
    EXPECT_EQ(view.interfaces, std::vector<std::string>{"eth0"});
}

TEST(NetnsView, FindsBroadcastAddresses) {
    const TestNetns netns({"addr add 10.77.0.5/24 dev eth0",
                           "addr add 10.78.0.5/16 brd 10.78.9.9 dev eth0",
                           "addr add 10.79.0.5/32 dev eth0", "addr add 10.80.0.4/31 dev eth0"});
    std::set<std::string> broadcasts;
    for (const auto& address : view_of(netns).broadcasts) {
        broadcasts.insert(address.to_string());
    }
    EXPECT_EQ(broadcasts, (std::set<std::string>{"10.77.0.255", "10.78.9.9", "10.78.255.255"}));
}

TEST(NetnsView, AnEmptyNamespaceHasNothing) {
    const TestNetns netns(std::vector<std::string>{});
    EXPECT_TRUE(view_of(netns).addresses.empty());
    EXPECT_TRUE(view_of(netns).broadcasts.empty());
}

}  // namespace

}  // namespace fsm::testing
