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
    table.put(attached({"a", "eth0"}, 7));
    table.put(attached({"a", "net1"}, 7));
    table.put(attached({"b", "eth0"}, 8));

    EXPECT_EQ(table.keys_in(7), (Keys{{"a", "eth0"}, {"a", "net1"}}));
    EXPECT_EQ(table.keys_in(8), (Keys{{"b", "eth0"}}));
    EXPECT_EQ(table.keys_in(9), Keys());
    EXPECT_EQ(table.first_interface(7), "eth0");
    EXPECT_EQ(table.first_interface(9), "");
}

TEST(AttachmentTableTest, AnAttachmentThatGoesLeavesItsNamespace) {
    AttachmentTable table;
    table.put(attached({"a", "eth0"}, 7));
    table.put(attached({"a", "net1"}, 7));
    table.erase({"a", "eth0"});
    table.erase({"a", "eth0"});

    EXPECT_EQ(table.keys_in(7), (Keys{{"a", "net1"}}));
    EXPECT_EQ(table.first_interface(7), "net1");
}

TEST(AttachmentTableTest, AnAttachmentThatMovesIsInItsNewNamespaceAlone) {
    AttachmentTable table;
    table.put(attached({"a", "eth0"}, 7));
    table.put(attached({"a", "eth0"}, 8));

    EXPECT_EQ(table.keys_in(7), Keys());
    EXPECT_EQ(table.keys_in(8), (Keys{{"a", "eth0"}}));
    EXPECT_EQ(table.keys(), (Keys{{"a", "eth0"}}));
}

TEST(AttachmentTableTest, OthersOfANamespaceAreAskedAbout) {
    AttachmentTable table;
    table.put(attached({"a", "eth0"}, 7));
    table.put(attached({"b", "eth0"}, 8));
    EXPECT_FALSE(table.has_other_in(7, {"a", "eth0"}, whatever));

    auto second = attached({"a", "net1"}, 7);
    second.membership = Membership::in_mesh;
    table.put(second);
    EXPECT_TRUE(table.has_other_in(7, {"a", "eth0"}, whatever));
    const auto in_mesh = [](const AttachmentState& state) {
        return state.membership == Membership::in_mesh;
    };
    EXPECT_TRUE(table.has_other_in(7, {"a", "eth0"}, in_mesh));
    EXPECT_FALSE(table.has_other_in(7, {"a", "net1"}, in_mesh));
}

TEST(AttachmentTableTest, ANewPlanIsForAllOfANamespace) {
    AttachmentTable table;
    table.put(attached({"a", "eth0"}, 7));
    table.put(attached({"a", "net1"}, 7));
    table.put(attached({"b", "eth0"}, 8));
    table.plan_again(7);

    EXPECT_TRUE(table.find({"a", "eth0"})->plan_again);
    EXPECT_TRUE(table.find({"a", "net1"})->plan_again);
    EXPECT_FALSE(table.find({"b", "eth0"})->plan_again);
}

TEST(AttachmentTableTest, TwoKeysCanNameOneFile) {
    AttachmentTable table;
    table.put(attached({"a-b", "c"}, 7));

    EXPECT_TRUE(table.has_other_of_file({"a", "b-c"}));
    EXPECT_FALSE(table.has_other_of_file({"a-b", "c"}));
    EXPECT_FALSE(table.has_other_of_file({"a", "b"}));
    EXPECT_FALSE(table.has_other_of_file({"a", "b-d"}));
}

}  // namespace fsm
