#include "interceptor/sync/host_paths.h"

#include <gtest/gtest.h>

namespace fsm::testing {

namespace {

TEST(HostPaths, AreTranslatedInAContainerOnly) {
    const HostPaths node;
    EXPECT_EQ(node.translate("/var/run/netns/x"), "/var/run/netns/x");
    EXPECT_EQ(node.translate("/run/netns/x"), "/run/netns/x");
    EXPECT_EQ(node.translate("/proc/1/ns/net"), "/proc/1/ns/net");
    const HostPaths container{"/host/var/run", "/host/proc"};
    EXPECT_EQ(container.translate("/var/run/netns/x"), "/host/var/run/netns/x");
    EXPECT_EQ(container.translate("/run/netns/x"), "/host/var/run/netns/x");
    EXPECT_EQ(container.translate("/proc/1/ns/net"), "/host/proc/1/ns/net");
    EXPECT_EQ(container.translate("/tmp/x"), "/tmp/x");
    EXPECT_EQ(container.translate(""), "");
}

}  // namespace

}  // namespace fsm::testing
