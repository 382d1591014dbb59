#include "interceptor/sync/chain_use.h"

#include <gtest/gtest.h>

namespace fsm {

namespace {

using namespace std::chrono_literals;

const PodName kPod = {"default", "web"};

class ChainUseTest : public ::testing::Test {
  protected:
    void SetUp() override { use.entry_present("/etc/cni/net.d/00-podman.conflist", 1000s); }
    ChainUse use;
};

TEST_F(ChainUseTest, APodThatStartedWithoutACallIsAProblem) {
    EXPECT_TRUE(use.problems().empty());
    use.found_without_add(kPod, 1020s);
    ASSERT_EQ(use.problems().size(), 1U);
    for (const char* part : {"default/web", "00-podman.conflist", "cni.configuration"}) {
        EXPECT_NE(use.problems()[0].text.find(part), std::string::npos);
    }
}

TEST_F(ChainUseTest, ThoseThatStartedBeforeTheEntryWasThereAreNone) {
    use.found_without_add(kPod, 500s);
    use.found_without_add(kPod, 1001s);
    EXPECT_TRUE(use.problems().empty());
}

TEST_F(ChainUseTest, ACallForAPodShowsThatTheChainIsUsed) {
    use.found_without_add(kPod, 1020s);
    use.add_arrived();
    EXPECT_TRUE(use.problems().empty());
}

TEST_F(ChainUseTest, AnotherPlaceIsAnotherChance) {
    use.found_without_add(kPod, 1020s);
    use.entry_present("/etc/cni/net.d/00-podman.conflist", 1000s);
    EXPECT_EQ(use.problems().size(), 1U) << "the same as before";
    use.entry_present("/etc/cni/net.d/10-crio.conflist", 1030s);
    EXPECT_TRUE(use.problems().empty());
    use.found_without_add(kPod, 1020s);
    EXPECT_TRUE(use.problems().empty());
}

TEST_F(ChainUseTest, WithoutAnEntryNoCallIsExpected) {
    use.entry_removed();
    use.found_without_add(kPod, 1020s);
    EXPECT_TRUE(use.problems().empty());
}

}  // namespace

}  // namespace fsm
