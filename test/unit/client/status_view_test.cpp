// Status, pods and levels as text.
#include "interceptor/client/status_view.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace fsm {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

json status() {
    return {{"version", "1.0"},
            {"pid", 7},
            {"profile", "fsm"},
            {"trafficInterceptionMode", "ebpf"},
            {"podSource", "manifests in /etc/fsm/pods"},
            {"inbound", "auto"},
            {"acceleration", "auto"},
            {"automaticAcceleration", {{"scope", "sidecar"}, {"reason", "splice loses data."}}},
            {"capabilities", {{{"name", "sk_lookup"}, {"works", true}, {"detail", "loaded"}}}},
            {"attachments",
             {{"inMesh", 1},
              {"notInMesh", 0},
              {"unknown", 0},
              {"refused", 0},
              {"withoutSidecar", 0},
              {"problems", json::array()}}},
            {"problems", json::array()},
            {"conditions", json::array()}};
}

TEST(Status, WithoutProblemsSaysSo) {
    EXPECT_FALSE(is_degraded(status()));
    EXPECT_THAT(status_text(status()), HasSubstr("problems      none\n"));
}

TEST(Status, IsDegradedByAProblemOfTheNodeOrOfAPod) {
    json of_node = status();
    of_node["problems"] = {"a program is not attached"};
    EXPECT_TRUE(is_degraded(of_node));
    EXPECT_THAT(status_text(of_node), Not(HasSubstr("none")));
    json of_pod = status();
    of_pod["attachments"]["problems"] = {{{"pod", "a/b"}, {"problem", "bad port"}}};
    EXPECT_TRUE(is_degraded(of_pod));
    EXPECT_THAT(status_text(of_pod), HasSubstr("pod a/b: bad port"));
}

TEST(Pods, AreATableThatCanBeWide) {
    const json answer = {{"pods",
                          {{{"pod", "a/b"},
                            {"uid", ""},
                            {"containerID", "c1"},
                            {"ifname", "eth0"},
                            {"netns", "/run/netns/x"},
                            {"state", "in-mesh"},
                            {"problems", json::array()},
                            {"reason", ""}}}}};
    const auto text = pods_text(answer, OutputFormat::text);
    EXPECT_THAT(text, Not(HasSubstr("/run/netns/x")));
    const auto wide = pods_text(answer, OutputFormat::wide);
    EXPECT_THAT(wide, HasSubstr("INTERFACE   CONTAINER   NETNS          UID   NOTE\n"));
    EXPECT_THAT(wide, HasSubstr("eth0        c1          /run/netns/x   -     -\n"));
}

TEST(Levels, AreATable) {
    EXPECT_EQ(levels_text({{"levels", {{"api", "debug"}, {"sync", "info"}}}}),
              "MODULE   LEVEL\napi      debug\nsync     info\n");
}

}  // namespace
}  // namespace fsm
