#include "interceptor/sync/pod_lookup.h"

#include <gtest/gtest.h>

#include "fake_pod_source.h"

namespace fsm::testing {

namespace {

Pod pod(const std::string& uid) {
    Pod made;
    made.name = {"shop", "web-0"};
    made.uid = uid;
    return made;
}

// Returns an earlier pod than the current one.
class ForgetfulSource final : public FakePodSource {
  public:
    Result<FoundPod> find_current(const PodName&) const override {
        ++asked;
        return current;
    }
    FoundPod current;
    mutable int asked = 0;
};

class PodLookupTest : public ::testing::Test {
  protected:
    PodLookupTest() { source_.put(pod("old")); }

    ForgetfulSource source_;
    PodLookup lookup_{source_};
};

TEST_F(PodLookupTest, AsksAgainBehindAnotherUid) {
    source_.current = pod("new");
    const auto found = lookup_.find({"shop", "web-0", "new"});
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ((*found)->uid, "new");
}

TEST_F(PodLookupTest, TheSameUidIsNotAskedForAgain) {
    EXPECT_TRUE(lookup_.find({"shop", "web-0", "old"}));
    EXPECT_TRUE(lookup_.find({"shop", "web-0", ""}));
    EXPECT_EQ(source_.asked, 0);
}

TEST_F(PodLookupTest, AnotherUidThereTooIsNotKnown) {
    source_.current = pod("newer");
    EXPECT_FALSE(lookup_.find({"shop", "web-0", "new"}));
}

TEST_F(PodLookupTest, APodThatIsGoneMeanwhileIsNotThere) {
    const auto found = lookup_.find({"shop", "web-0", "new"});
    ASSERT_TRUE(found);
    EXPECT_FALSE(*found);
}

}  // namespace

}  // namespace fsm::testing
