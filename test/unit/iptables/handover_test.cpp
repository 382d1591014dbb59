#include "interceptor/interception/handover.h"

#include <gtest/gtest.h>

#include "test/unit/sync/fake_datapath.h"
#include "test/unit/sync/test_netns.h"

namespace fsm {
namespace {

using testing::FakeDatapath;
using testing::TestNetns;

class HandoverTest : public ::testing::Test {
  protected:
    HandoverTest() {
        enrolment_.netns_cookie = pod_.cookie();
        former_->plant(enrolment_);
        handover_ = std::make_unique<Handover>(
            std::unique_ptr<Datapath>(current_), std::unique_ptr<Datapath>(former_),
            [this] {
                ++removals_;
                return removal_;
            },
            std::chrono::milliseconds(0));
    }

    // Or the former one is gone as soon as it has let the pod go.
    void give_former_another_pod() {
        PodEnrolment another = enrolment_;
        another.netns_cookie = pod_.cookie() + 1;
        former_->plant(another);
    }

    const TestNetns pod_;
    const Netns netns_ = *Netns::open(pod_.path());
    PodEnrolment enrolment_;
    FakeDatapath* current_ = new FakeDatapath();
    FakeDatapath* former_ = new FakeDatapath();
    Result<void> removal_;
    int removals_ = 0;
    std::unique_ptr<Handover> handover_;
};

TEST_F(HandoverTest, APodIsEnrolledBeforeTheFormerOneLetsItGo) {
    give_former_another_pod();
    EXPECT_TRUE(handover_->enrol(netns_, enrolment_));
    EXPECT_TRUE(current_->enrolled(pod_.cookie()));
    EXPECT_TRUE(former_->enrolled(pod_.cookie())) << "a connect() may be under way";
    EXPECT_TRUE(handover_->sweep());
    EXPECT_FALSE(former_->enrolled(pod_.cookie()));
}

TEST_F(HandoverTest, WithTcTheFormerOneLetsThePodGoAtOnce) {
    for (FakeDatapath* const datapath : {current_, former_}) {
        former_->plant(enrolment_);
        datapath->inbound = InboundMechanism::tc;
        EXPECT_TRUE(handover_->enrol(netns_, enrolment_));
        EXPECT_FALSE(former_->enrolled(pod_.cookie()));
        EXPECT_EQ(former_->cut, pod_.cookie());
        former_->cut = 0;
        datapath->inbound = InboundMechanism::sk_lookup;
    }
}

TEST_F(HandoverTest, APodThatTheFormerOneDoesNotLetGoOfIsEnrolledAllTheSame) {
    give_former_another_pod();
    former_->withdraw_failure = "not now";
    current_->inbound = InboundMechanism::tc;
    EXPECT_TRUE(handover_->enrol(netns_, enrolment_)) << "an error would mean: as it was before";
    EXPECT_TRUE(former_->enrolled(pod_.cookie()));
    EXPECT_FALSE(handover_->sweep());
    former_->withdraw_failure.clear();
    EXPECT_TRUE(handover_->sweep());
    EXPECT_FALSE(former_->enrolled(pod_.cookie()));
    EXPECT_EQ(former_->cut, pod_.cookie());
}

TEST_F(HandoverTest, APodThatChangesToTcMeanwhileIsCut) {
    give_former_another_pod();
    EXPECT_TRUE(handover_->enrol(netns_, enrolment_));
    EXPECT_TRUE(former_->enrolled(pod_.cookie()));
    current_->inbound = InboundMechanism::tc;
    EXPECT_TRUE(handover_->enrol(netns_, enrolment_));
    EXPECT_FALSE(former_->enrolled(pod_.cookie()));
    EXPECT_EQ(former_->cut, pod_.cookie());
}

TEST_F(HandoverTest, EnrollingDoesNotListTheOtherPods) {
    give_former_another_pod();
    EXPECT_TRUE(handover_->enrol(netns_, enrolment_));
    EXPECT_EQ(former_->listings, 0);
    EXPECT_EQ(current_->listings, 0);
}

TEST_F(HandoverTest, OnePodIsFoundInWhicheverHasIt) {
    ASSERT_TRUE(handover_->pod(pod_.cookie()));
    EXPECT_TRUE(*handover_->pod(pod_.cookie()));
    EXPECT_FALSE(*handover_->pod(pod_.cookie() + 1));
    current_->inbound = InboundMechanism::tc;
    EXPECT_TRUE(handover_->enrol(netns_, enrolment_));
    EXPECT_EQ((*handover_->pod(pod_.cookie()))->inbound, InboundMechanism::tc);
}

TEST_F(HandoverTest, AWithdrawalThatFailsIsTriedAgain) {
    give_former_another_pod();
    EXPECT_TRUE(handover_->enrol(netns_, enrolment_));
    former_->withdraw_failure = "not now";
    EXPECT_FALSE(handover_->sweep());
    former_->withdraw_failure.clear();
    EXPECT_TRUE(handover_->sweep());
    EXPECT_FALSE(former_->enrolled(pod_.cookie()));
}

TEST_F(HandoverTest, BothHaveThePodForAWhile) {
    auto* const current = new FakeDatapath();
    auto* const former = new FakeDatapath();
    former->plant(enrolment_);
    Handover handover{std::unique_ptr<Datapath>(current), std::unique_ptr<Datapath>(former),
                      [] { return Result<void>(); }, std::chrono::hours(1)};
    EXPECT_TRUE(handover.enrol(netns_, enrolment_));
    EXPECT_TRUE(handover.sweep());
    EXPECT_TRUE(former->enrolled(pod_.cookie()));
    EXPECT_EQ(handover.pods()->size(), 1U);
    EXPECT_TRUE(handover.withdraw(pod_.cookie(), &netns_));
    EXPECT_FALSE(former->enrolled(pod_.cookie()));
}

TEST_F(HandoverTest, AFailureLeavesThePodWithTheFormerOne) {
    current_->enrol_failure = "no";
    EXPECT_FALSE(handover_->enrol(netns_, enrolment_));
    EXPECT_TRUE(former_->enrolled(pod_.cookie()));
}

TEST_F(HandoverTest, TheFormerOneStaysUntilItHasNoPod) {
    EXPECT_TRUE(handover_->sweep());
    EXPECT_EQ(removals_, 0);
    ASSERT_TRUE(handover_->pods());
    EXPECT_EQ(handover_->pods()->size(), 1U);

    EXPECT_TRUE(handover_->enrol(netns_, enrolment_));
    EXPECT_EQ(handover_->pods()->size(), 1U);
    EXPECT_TRUE(handover_->sweep());
    EXPECT_EQ(removals_, 0) << "sidecars may still ask about its last connections";
    EXPECT_TRUE(handover_->sweep());
    EXPECT_EQ(removals_, 1);
    EXPECT_TRUE(handover_->sweep());
    EXPECT_EQ(removals_, 1);
    EXPECT_EQ(handover_->pods()->size(), 1U);
}

TEST_F(HandoverTest, ASweepThatFailsDoesNotKeepPodsWithTheFormerOne) {
    current_->fail_sweeps("a pin cannot be read");
    EXPECT_TRUE(handover_->enrol(netns_, enrolment_));
    const auto swept = handover_->sweep();
    ASSERT_FALSE(swept);
    EXPECT_EQ(swept.error().message(), "a pin cannot be read");
    EXPECT_FALSE(handover_->sweep());
    EXPECT_EQ(removals_, 1) << "the former one has no pods any more";
}

TEST_F(HandoverTest, AFailureOfTheFormerOnesSweepDoesNotKeepTheOthersFromTheirTurn) {
    give_former_another_pod();
    EXPECT_TRUE(handover_->enrol(netns_, enrolment_));
    former_->fail_sweeps("one");
    former_->withdraw_failure = "two";
    const auto swept = handover_->sweep();
    ASSERT_FALSE(swept);
    EXPECT_NE(swept.error().message().find("one"), std::string::npos) << swept.error().message();
    EXPECT_NE(swept.error().message().find("two"), std::string::npos) << swept.error().message();
    EXPECT_EQ(current_->sweeps, 1);
}

TEST_F(HandoverTest, WhatIsBrokenForTheNodeIsSaidOfBoth) {
    current_->set_node_conditions({{"connect4", "it is detached"}});
    former_->set_node_conditions({{"connect4", "it was replaced"}});
    EXPECT_EQ(handover_->node_conditions().size(), 2U);
    EXPECT_TRUE(handover_->withdraw(pod_.cookie(), &netns_));
    EXPECT_TRUE(handover_->sweep());
    EXPECT_EQ(handover_->node_conditions(), std::vector<Problem>({{"connect4", "it is detached"}}));
}

TEST_F(HandoverTest, EventsAreThoseOfBoth) {
    current_->events = {{pod_.cookie(), "refused", 1}};
    former_->events = {{pod_.cookie() + 1, "refused", 2}};
    EXPECT_EQ(handover_->take_events().size(), 2U);
}

TEST_F(HandoverTest, ARemovalThatFailsIsTriedAgain) {
    removal_ = Error("busy");
    EXPECT_TRUE(handover_->withdraw(pod_.cookie(), &netns_));
    EXPECT_TRUE(handover_->sweep());
    EXPECT_FALSE(handover_->sweep());
    removal_ = {};
    EXPECT_TRUE(handover_->sweep());
    EXPECT_TRUE(handover_->sweep());
    EXPECT_EQ(removals_, 2);
}

}  // namespace
}  // namespace fsm
