// The features that a node loads: by the configuration, by the kernel's probe, and by the
// attachments of pods.
#include "interceptor/datapath/features.h"

#include <bpf/bpf.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <set>
#include <string>
#include <thread>

#include "interceptor/datapath/inbound_choice.h"
#include "test/bpf/instance.h"
#include "test/bpf/pod_namespace.h"

namespace fsm::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

std::set<std::string> pinned_maps(const Instance& instance) {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(instance.root() + "/maps")) {
        names.insert(entry.path().filename());
    }
    return names;
}

std::set<std::uint32_t> maps_of_program(std::uint32_t id, std::string& name) {
    const Fd program(bpf_prog_get_fd_by_id(id));
    std::array<std::uint32_t, 64> maps{};
    bpf_prog_info info{};
    info.map_ids = reinterpret_cast<std::uint64_t>(maps.data());
    info.nr_map_ids = maps.size();
    std::uint32_t length = sizeof(info);
    if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &length) != 0) {
        return {};  // it has just ended
    }
    name = info.name;
    return {maps.begin(), maps.begin() + std::min<std::size_t>(info.nr_map_ids, maps.size())};
}

// The programs in the kernel, as listed by bpftool, that use this instance's maps.
std::set<std::string> loaded_programs(const Instance& instance) {
    std::set<std::uint32_t> own;
    for (const std::string& map : pinned_maps(instance)) {
        own.insert(instance.pinned(map).id());
    }
    std::set<std::string> names;
    std::uint32_t id = 0;
    while (bpf_prog_get_next_id(id, &id) == 0) {
        std::string name;
        const auto used = maps_of_program(id, name);
        if (std::any_of(used.begin(), used.end(), [&](auto map) { return own.contains(map); })) {
            names.insert(name);
        }
    }
    return names;
}

// The kernel frees a program some time after its last user.
bool is_gone(const Instance& instance, const std::string& program) {
    for (int attempt = 0; attempt < 200; ++attempt) {
        if (!loaded_programs(instance).contains(program)) {
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
}

std::set<std::string> programs_of(Feature feature) {
    std::set<std::string> names;
    for (const ProgramSpec& program : spec_of(feature).programs) {
        names.insert(program.name);
    }
    return names;
}

KernelProbe capable_kernel() {
    KernelProbe probe;
    probe.sk_lookup = probe.tc = probe.order_and_flow_control = true;
    return probe;
}

TEST(Features, HaveEveryMapOnce) {
    const Instance instance;
    const auto datapath = instance.open();
    std::multiset<std::string> listed;
    for (const FeatureSpec& feature : features()) {
        for (const MapSpec& map : feature.maps) {
            if (map.life == MapSpec::Life::pinned) {
                listed.insert(map.name);
            }
        }
    }
    const std::set<std::string> made = pinned_maps(instance);
    EXPECT_THAT(listed, testing::ElementsAreArray(made));
}

class Disabled : public testing::TestWithParam<Feature> {};

TEST_P(Disabled, IsNotLoadedAndTheRestIs) {
    Instance instance;
    instance.options.disabled_features = {GetParam()};
    const auto datapath = instance.open();
    const auto programs = loaded_programs(instance);
    const auto maps = pinned_maps(instance);
    for (const FeatureSpec& feature : features()) {
        const bool off = feature.feature == GetParam();
        for (const ProgramSpec& program : feature.programs) {
            EXPECT_EQ(programs.contains(program.name), !off && program.kind != HookKind::request)
                << program.name;
        }
        for (const MapSpec& map : feature.maps) {
            EXPECT_EQ(maps.contains(map.name), !off && map.life == MapSpec::Life::pinned)
                << map.name;
        }
    }
    for (const std::string& program : programs_of(GetParam())) {
        EXPECT_THAT(datapath->capabilities(),
                    Contains(testing::AllOf(
                        testing::Field(&KernelCapability::name, "program " + program),
                        testing::Field(&KernelCapability::works, false),
                        testing::Field(&KernelCapability::detail, HasSubstr("disabledFeatures")))));
    }
}

TEST_P(Disabled, MapsGoAndComeBackWithTheConfiguration) {
    Instance instance;
    instance.open().reset();
    const auto all = pinned_maps(instance);
    instance.options.disabled_features = {GetParam()};
    instance.open().reset();
    EXPECT_EQ(pinned_maps(instance).size(), all.size() - spec_of(GetParam()).maps.size());
    instance.options.disabled_features = {};
    const auto datapath = instance.open();
    EXPECT_EQ(pinned_maps(instance), all);
    EXPECT_TRUE(datapath->verify_node().empty());
}

INSTANTIATE_TEST_SUITE_P(Feature, Disabled,
                         testing::Values(Feature::acceleration, Feature::inbound_lookup,
                                         Feature::inbound_tc),
                         [](const auto& feature) {
                             std::string name(to_string(feature.param));
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

TEST(OpenConnections, AreListedByAProgramThatEndsWithTheList) {
    const Instance instance;
    const auto datapath = instance.open();
    EXPECT_FALSE(loaded_programs(instance).contains(kConnectionsProgram));
    const auto sockets = datapath->open_sockets();
    ASSERT_TRUE(sockets) << sockets.error().message();
    EXPECT_TRUE(sockets->empty());
    EXPECT_TRUE(is_gone(instance, kConnectionsProgram));
}

TEST(OpenConnections, AreNotListedWhenTheirFeatureIsDisabled) {
    Instance instance;
    instance.options.disabled_features = {Feature::connections};
    const auto sockets = instance.open()->open_sockets();
    ASSERT_FALSE(sockets);
    EXPECT_THAT(sockets.error().message(), HasSubstr("disabledFeatures"));
}

// The remaining programs skip their work for the unused features.
TEST(WithoutAcceleration, AConnectionGoesToTheSidecarByTcp) {
    Instance instance;
    instance.options.disabled_features = {Feature::acceleration};
    const PodNamespace pod("10.98.1.2");
    const auto datapath = instance.open();
    const Fd outbound = pod.listen({"0.0.0.0", kOutbound});
    PodEnrolment enrolment = pod.enrolment();
    enrolment.policy.acceleration = Acceleration::full;
    EXPECT_EQ(must(datapath->enrol(pod.netns(), enrolment)).acceleration, Acceleration::off);
    EXPECT_EQ(pod.connect("10.98.1.77", 8080), 0);
    EXPECT_EQ(datapath->automatic_acceleration(), Acceleration::off);
    EXPECT_THAT(datapath->automatic_acceleration_reason(), HasSubstr("names acceleration"));
}

TEST(WithoutTc, APodThatAsksForItIsRefusedWithTheReason) {
    Instance instance;
    instance.options.disabled_features = {Feature::inbound_tc};
    const PodNamespace pod("10.98.1.2");
    const auto datapath = instance.open();
    PodEnrolment enrolment = pod.enrolment();
    enrolment.policy.inbound_mechanism = InboundMechanism::tc;
    const auto refused = datapath->enrol(pod.netns(), enrolment);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(), HasSubstr("names inbound-tc"));
    EXPECT_EQ(must(datapath->enrol(pod.netns(), pod.enrolment())).inbound,
              InboundMechanism::sk_lookup);
    must(datapath->check(pod.netns(), pod.cookie()));
    must(datapath->withdraw(pod.cookie(), &pod.netns()));
}

TEST(WithoutTc, ItStaysLoadedForAPodThatHasItsFilters) {
    Instance instance;
    const PodNamespace pod("10.98.1.2");
    PodEnrolment enrolment = pod.enrolment();
    enrolment.policy.inbound_mechanism = InboundMechanism::tc;
    must(instance.open()->enrol(pod.netns(), enrolment));
    instance.options.disabled_features = {Feature::inbound_tc};
    {
        const auto datapath = instance.open();
        EXPECT_THAT(loaded_programs(instance), Contains("fsm_tc_in"));
        must(datapath->check(pod.netns(), pod.cookie()));
        EXPECT_FALSE(datapath->enrol(pod.netns(), enrolment)) << "it asks for tc";
        must(datapath->check(pod.netns(), pod.cookie()));
        EXPECT_EQ(must(datapath->enrol(pod.netns(), pod.enrolment())).inbound,
                  InboundMechanism::sk_lookup);
    }
    const auto datapath = instance.open();
    EXPECT_TRUE(is_gone(instance, "fsm_tc_in"));
}

TEST(FeatureChoice, LeavesOutWhatTheKernelCannotDo) {
    KernelProbe probe = capable_kernel();
    probe.order_and_flow_control = false;
    const FeatureChoice choice = choose_features({}, {}, probe);
    EXPECT_EQ(choice.used,
              (FeatureSet{Feature::interception, Feature::inbound_lookup, Feature::inbound_tc,
                          Feature::events, Feature::connections}));
    EXPECT_TRUE(choice.unused.contains(Feature::acceleration));
}

TEST(FeatureChoice, NeverLeavesOutInterception) {
    const FeatureChoice choice = choose_features({Feature::interception}, {}, capable_kernel());
    EXPECT_TRUE(choice.used.contains(Feature::interception));
}

TEST(InboundChoice, OfAutoIsTcWhereLookupCannotBeUsed) {
    const auto choice = choose_inbound({}, {"sk_lookup is missing", ""}, {});
    ASSERT_TRUE(choice);
    EXPECT_EQ(choice->mechanism, InboundMechanism::tc);
    EXPECT_EQ(choice->reason, "sk_lookup is missing");
}

TEST(InboundChoice, IsAnErrorWithBothReasonsWhereNeitherCanBeUsed) {
    const auto choice = choose_inbound({}, {"sk_lookup is missing", "tc is missing"}, {});
    ASSERT_FALSE(choice);
    EXPECT_EQ(choice.error().message(),
              "neither sk_lookup nor tc can be used: tc is missing, and sk_lookup is missing");
}

}  // namespace
}  // namespace fsm::test
