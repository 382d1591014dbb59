// A real Enroller with a fake data path and a fake pod source, and FSM's profile.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "interceptor/sync/enroller.h"
#include "test/unit/sync/fake_datapath.h"
#include "test/unit/sync/fake_pod_source.h"
#include "test/unit/sync/test_netns.h"

namespace fsm::testing {

inline Container container_named(const std::string& name) {
    Container container;
    container.name = name;
    return container;
}

inline Pod mesh_pod(const std::string& name, const std::string& uid = "") {
    Pod pod;
    pod.name = {"default", name};
    pod.uid = uid;
    pod.labels["fsm-proxy-uuid"] = "a0c5";
    pod.containers.push_back(container_named("app"));
    pod.containers.push_back(container_named("sidecar"));
    return pod;
}

inline Pod plain_pod(const std::string& name) {
    Pod pod;
    pod.name = {"default", name};
    pod.containers.push_back(container_named("app"));
    return pod;
}

class EnrollerTest : public ::testing::Test {
  protected:
    void SetUp() override { start(); }

    // A new interceptor on the same state directory, as after a restart.
    void start() {
        enroller.reset();
        conditions.emplace();
        options.state_directory = directory.path();
        auto mesh = MeshProfile::builtin(profile);
        ASSERT_TRUE(mesh) << mesh.error().message();
        auto opened = Enroller::open(options, *mesh, source, datapath, *conditions);
        ASSERT_TRUE(opened) << opened.error().message();
        enroller = std::move(*opened);
        const auto restored = enroller->restore();
        ASSERT_TRUE(restored) << restored.error().message();
    }

    static cni::Request request_for(const std::string& pod, const std::string& netns,
                                    const std::string& container = "c1",
                                    const std::string& ifname = "eth0") {
        return {{container, ifname},
                netns,
                "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=" + pod,
                R"({"cniVersion":"1.0.0","name":"net"})"};
    }

    static std::string why(const CniOutcome& outcome) {
        return outcome ? "success"
                       : std::to_string(static_cast<int>(outcome.error().code)) + " " +
                             outcome.error().message + ": " + outcome.error().details;
    }

    std::string attachment_file(const AttachmentKey& key = {"c1", "eth0", "net"}) const {
        return directory.path() + "/attachments/" + cni::file_stem(key) + ".json";
    }

    // The node's problems, as text.
    std::vector<std::string> problems() {
        std::vector<std::string> texts;
        for (const auto& condition : conditions->all()) {
            texts.push_back(condition.problem.text);
        }
        return texts;
    }

    AttachmentState only_attachment() const {
        const auto all = enroller->attachments();
        EXPECT_EQ(all.size(), 1U);
        return all.empty() ? AttachmentState() : all.front();
    }

    TestDirectory directory;
    FakeDatapath datapath;
    FakePodSource source;
    std::optional<Conditions> conditions;
    EnrollerOptions options = [] {
        EnrollerOptions initial;
        initial.pod_lookup_timeout = std::chrono::milliseconds(150);
        return initial;
    }();
    std::string profile = "fsm";
    std::unique_ptr<Enroller> enroller;
};

inline bool file_exists(const std::string& path) {
    return access(path.c_str(), F_OK) == 0;
}

#define EXPECT_OK(outcome)                      \
    do {                                        \
        const auto outcome_ = (outcome);        \
        EXPECT_TRUE(outcome_) << why(outcome_); \
    } while (false)

#define EXPECT_CNI_ERROR(outcome, expected_code, text)                                  \
    do {                                                                                \
        const auto outcome_ = (outcome);                                                \
        ASSERT_FALSE(outcome_);                                                         \
        EXPECT_EQ(outcome_.error().code, CniErrorCode::expected_code) << why(outcome_); \
        EXPECT_NE(why(outcome_).find(text), std::string::npos) << why(outcome_);        \
    } while (false)

}  // namespace fsm::testing
