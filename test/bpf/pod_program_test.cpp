// The per-pod programs: made from one template, small, and quick to load.
#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <vector>

#include "interceptor/datapath/programs.h"
#include "test/bpf/instance.h"

namespace fsm::test {
namespace {

constexpr int kPods = 500;

bpf_prog_info info_of(const Fd& program) {
    bpf_prog_info info{};
    std::uint32_t length = sizeof(info);
    EXPECT_EQ(bpf_obj_get_info_by_fd(program.get(), &info, &length), 0);
    return info;
}

class PodPrograms : public testing::TestWithParam<const char*> {};

TEST_P(PodPrograms, AreSmallAndQuicklyLoaded) {
    const Instance instance;
    const LoadedObject loaded =
        must(load_programs(instance.options, {kFeatures.begin(), kFeatures.end()}, {}));
    const PodProgram& program = loaded.pod_programs.at(GetParam());
    std::vector<Fd> made;
    const auto began = std::chrono::steady_clock::now();
    for (int pod = 1; pod <= kPods; ++pod) {
        made.push_back(must(program.make(static_cast<std::uint64_t>(pod))));
    }
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - began);
    const bpf_prog_info info = info_of(made.front());
    (void)std::printf("%s: %d pods in %lld us, %u bytes of code each\n", GetParam(), kPods,
                      static_cast<long long>(took.count()), info.xlated_prog_len);
    EXPECT_LT(info.xlated_prog_len, 512U) << "the work belongs into the program that pods share";
    EXPECT_STREQ(info.name, GetParam()) << "by which filters of ours are recognised";
    EXPECT_NE(info_of(made.front()).id, info_of(made.back()).id);
}

INSTANTIATE_TEST_SUITE_P(Each, PodPrograms,
                         testing::Values("fsm_lookup", "fsm_ingress", "fsm_egress"),
                         [](const auto& name) { return std::string(name.param); });

}  // namespace
}  // namespace fsm::test
