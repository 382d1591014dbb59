// Which series /metrics has, and which values they have.
#include <gtest/gtest.h>

#include <chrono>
#include <regex>
#include <string>

#include "interceptor/health/known_conditions.h"
#include "test/unit/api/api_fixture.h"

namespace fsm::testing {
namespace {

class Metrics : public ApiTest {
  protected:
    // The value of a series; "absent" if the page does not have it.
    std::string value(const std::string& series) const {
        const std::string page = "\n" + ask("GET", "/metrics").body;
        const auto found = page.find("\n" + series + " ");
        if (found == std::string::npos) {
            return "absent";
        }
        const auto begin = found + series.size() + 2;
        return page.substr(begin, page.find('\n', begin) - begin);
    }
    std::string condition(const std::string& component, const std::string& name) const {
        return value("fsm_condition{component=\"" + component + "\",condition=\"" + name + "\"}");
    }
    int create(const std::string& netns, const std::string& container = "c1") const {
        return ask("POST", "/v1/cni/create-pod", body_for(netns, "web", container)).status;
    }
};

TEST_F(Metrics, DecisionsAndMessagesAreSeriesOfOneName) {
    EXPECT_EQ(
        value("fsm_decisions_total{hook=\"connect\",verdict=\"redirected\",reason=\"outbound\"}"),
        "42");
    EXPECT_EQ(value("fsm_connect_outbound_total"), "absent");
    EXPECT_EQ(value("fsm_listener_seen_total"), "7");
}

TEST_F(Metrics, RequestsAreCountedFromZero) {
    EXPECT_EQ(value("fsm_cni_requests_total{result=\"error\",verb=\"add\"}"), "0");
    EXPECT_EQ(value("fsm_cni_request_duration_seconds_count{verb=\"gc\"}"), "0");
    EXPECT_NE(value("fsm_cni_request_duration_seconds_bucket{verb=\"add\",le=\"0.0005\"}"),
              "absent");
    EXPECT_NE(value("fsm_cni_request_duration_seconds_bucket{verb=\"add\",le=\"10\"}"), "absent");
}

TEST_F(Metrics, OnlyMapsThatCanBecomeFullAreShown) {
    EXPECT_EQ(value("fsm_map_max_entries{map=\"fsm_pods\"}"), "4096");
    EXPECT_EQ(value("fsm_map_entries{map=\"fsm_counters\"}"), "absent");
}

TEST_F(Metrics, ProgramsAreAbsentWithoutStatistics) {
    const std::string runs = "fsm_program_runs_total{program=\"fsm_msg\",hook=\"sk_msg\"}";
    EXPECT_EQ(value(runs), "absent");
    datapath.statistics = {{"fsm_msg", "sk_msg", 3, 1'500'000'000}};
    EXPECT_EQ(value(runs), "3");
    EXPECT_EQ(value("fsm_program_run_seconds_total{program=\"fsm_msg\",hook=\"sk_msg\"}"), "1.5");
}

TEST_F(Metrics, EveryKnownConditionHasASeries) {
    for (const KnownCondition& known : kKnownConditions) {
        EXPECT_EQ(condition(std::string(to_string(known.component)), std::string(known.name)), "0");
    }
    conditions->set(Component::pod_source, {"watch", "refused"});
    conditions->set(Component::pod_source, {"pod default/web", "unreadable"});
    conditions->report(Component::attachments, "something happened once");
    EXPECT_EQ(condition("pod-source", "watch_failed"), "1");
    EXPECT_EQ(condition("pod-source", "pod_unreadable"), "1");
    EXPECT_EQ(condition("pod-source", "other"), "0");
    EXPECT_EQ(condition("attachments", "other"), "1");
    datapath.set_node_conditions({{"attachment/bpffs", "it was unmounted"}});
    EXPECT_EQ(condition("datapath", "bpffs_missing"), "1");
    EXPECT_EQ(condition("datapath", "not_attached"), "0");
    datapath.set_node_conditions({{"attachment/fsm_connect4", "it is detached"}});
    EXPECT_EQ(condition("datapath", "bpffs_missing"), "0");
    EXPECT_EQ(condition("datapath", "not_attached"), "1");
    conditions->clear(Component::pod_source, "watch");
    EXPECT_EQ(condition("pod-source", "watch_failed"), "0");
}

TEST_F(Metrics, WhatCannotBeReadIsACondition) {
    datapath.unreadable = true;
    EXPECT_EQ(condition("metrics", "scrape_incomplete"), "1");
    EXPECT_NE(problems().at(0).find("maps cannot be read"), std::string::npos);
    datapath.unreadable = false;
    EXPECT_EQ(condition("metrics", "scrape_incomplete"), "0");
}

TEST_F(Metrics, EnrolmentIsTimedOnceFromWhenThePodWasKnown) {
    const std::string name = "fsm_pod_enrolment_duration_seconds_";
    EXPECT_EQ(value(name + "count"), "0");
    const TestNetns netns;
    Pod pod = mesh_pod("web");
    pod.known.time -= std::chrono::seconds(20);
    source.put(pod);
    EXPECT_EQ(create(netns.path()), 200);
    EXPECT_EQ(create(netns.path()), 200);  // repeated by the runtime
    EXPECT_EQ(value(name + "count"), "1");
    EXPECT_EQ(value(name + "bucket{le=\"10\"}"), "0");
    EXPECT_EQ(value(name + "bucket{le=\"30\"}"), "1");
    EXPECT_EQ(value(name + "bucket{le=\"+Inf\"}"), "1");
    EXPECT_GE(std::stod(value(name + "sum")), 20);
}

TEST_F(Metrics, PodsOutsideTheMeshAreNotTimed) {
    const TestNetns netns;
    source.put(plain_pod("web"));
    EXPECT_EQ(create(netns.path()), 200);
    EXPECT_EQ(value("fsm_pod_enrolment_duration_seconds_count"), "0");
}

}  // namespace
}  // namespace fsm::testing
