#include "interceptor/datapath/typed_map.h"

#include <gmock/gmock.h>

#include <cstdint>

#include "interceptor/datapath/datapath_maps.h"
#include "test/bpf/instance.h"

namespace fsm::test {
namespace {

TEST(TypedMap, RefusesAMapOfOtherSizes) {
    const Instance instance;
    const auto datapath = instance.open();
    const BpfMap pods = instance.pinned("fsm_pods");
    EXPECT_TRUE(PodsMap::of(pods));
    const auto other_value = TypedMap<std::uint64_t, std::uint32_t>::of(pods);
    ASSERT_FALSE(other_value);
    EXPECT_EQ(other_value.error().message(),
              "map fsm_pods has keys of 8 and values of 72 bytes, not 8 and 4");
    const auto other_key = TypedMap<std::uint32_t, struct fsm_pod>::of(pods);
    ASSERT_FALSE(other_key);
    EXPECT_THAT(other_key.error().message(), testing::HasSubstr("not 4 and 72"));
}

TEST(TypedMap, ASetWithoutAMapThatIsNeededIsAnError) {
    const auto maps = DatapathMaps::of({});
    ASSERT_FALSE(maps);
    EXPECT_EQ(maps.error().message(), "the data path has no map fsm_pods");
}

}  // namespace
}  // namespace fsm::test
