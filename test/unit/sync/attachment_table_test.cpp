#include "interceptor/sync/attachment_table.h"

#include <gtest/gtest.h>

namespace fsm {

namespace {

AttachmentState attached(const AttachmentKey& key, std::uint64_t netns_cookie) {
    AttachmentState state;
    state.attachment.key = key;
    state.attachment.netns_cookie = netns_cookie;
    return state;
}

bool whatever(const AttachmentState& /*state*/) {
    return true;
}

using Keys = std::vector<AttachmentKey>;

}  // namespace

TEST(AttachmentTableTest, KnowsWhatIsInANamespace) {
    AttachmentTable table;
    table.put(attached({"a", "eth0", "net"}, 7));
    table.put(attached({"a", "net1", "net"}, 7));
    table.put(attached({"b", "eth0", "net"}, 8));

    EXPECT_EQ(table.keys_in(7), (Keys{{"a", "eth0", "net"}, {"a", "net1", "net"}}));
    EXPECT_EQ(table.keys_in(8), (Keys{{"b", "eth0", "net"}}));
    EXPECT_EQ(table.keys_in(9), Keys());
    EXPECT_EQ(table.first_interface(7), "eth0");
    EXPECT_EQ(table.first_interface(9), "");
}

TEST(AttachmentTableTest, AnAttachmentThatGoesLeavesItsNamespace) {
    AttachmentTable table;
    table.put(attached({"a", "eth0", "net"}, 7));
    table.put(attached({"a", "net1", "net"}, 7));
    table.erase({"a", "eth0", "net"});
    table.erase({"a", "eth0", "net"});

    EXPECT_EQ(table.keys_in(7), (Keys{{"a", "net1", "net"}}));
    EXPECT_EQ(table.first_interface(7), "net1");
}

TEST(AttachmentTableTest, AnAttachmentThatMovesIsInItsNewNamespaceAlone) {
    AttachmentTable table;
    table.put(attached({"a", "eth0", "net"}, 7));
    table.put(attached({"a", "eth0", "net"}, 8));

    EXPECT_EQ(table.keys_in(7), Keys());
    EXPECT_EQ(table.keys_in(8), (Keys{{"a", "eth0", "net"}}));
    EXPECT_EQ(table.keys(), (Keys{{"a", "eth0", "net"}}));
}

TEST(AttachmentTableTest, OthersOfANamespaceAreAskedAbout) {
    AttachmentTable table;
    table.put(attached({"a", "eth0", "net"}, 7));
    table.put(attached({"b", "eth0", "net"}, 8));
    EXPECT_FALSE(table.has_other_in(7, {"a", "eth0", "net"}, whatever));

    auto second = attached({"a", "net1", "net"}, 7);
    second.membership = Membership::in_mesh;
    table.put(second);
    EXPECT_TRUE(table.has_other_in(7, {"a", "eth0", "net"}, whatever));
    const auto in_mesh = [](const AttachmentState& state) {
        return state.membership == Membership::in_mesh;
    };
    EXPECT_TRUE(table.has_other_in(7, {"a", "eth0", "net"}, in_mesh));
    EXPECT_FALSE(table.has_other_in(7, {"a", "net1", "net"}, in_mesh));
}

TEST(AttachmentTableTest, ANewPlanIsForAllOfANamespace) {
    AttachmentTable table;
    table.put(attached({"a", "eth0", "net"}, 7));
    table.put(attached({"a", "net1", "net"}, 7));
    table.put(attached({"b", "eth0", "net"}, 8));
    table.plan_again(7);

    EXPECT_TRUE(table.find({"a", "eth0", "net"})->plan_again);
    EXPECT_TRUE(table.find({"a", "net1", "net"})->plan_again);
    EXPECT_FALSE(table.find({"b", "eth0", "net"})->plan_again);
}

TEST(AttachmentTableTest, AnInterfaceCanHaveSeveralNetworks) {
    AttachmentTable table;
    for (const AttachmentKey& key : Keys{{"a", "eth0", "one"},
                                         {"a", "eth0", "two"},
                                         {"a", "eth0", ""},
                                         {"a", "eth1", "one"},
                                         {"b", "eth0", "one"}}) {
        table.put(attached(key, 7));
    }

    EXPECT_EQ(table.keys_of({"a", "eth0"}),
              (Keys{{"a", "eth0", ""}, {"a", "eth0", "one"}, {"a", "eth0", "two"}}));
    EXPECT_EQ(table.keys_of({"a", "eth"}), Keys());
    EXPECT_EQ(table.keys_of({"c", "eth0"}), Keys());
}

}  // namespace fsm
