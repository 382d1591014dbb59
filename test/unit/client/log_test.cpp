// Lines of the log: their modules, levels, and both forms.
#include "interceptor/log/log.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace fsm::log {
namespace {

using testing::EndsWith;
using testing::internal::CaptureStderr;
using testing::internal::GetCapturedStderr;

// What `print` writes, without the final newline.
template <typename Print>
std::string written(const Print& print) {
    CaptureStderr();
    print();
    std::string text = GetCapturedStderr();
    return text.empty() ? text : text.substr(0, text.size() - 1);
}

class Lines : public testing::Test {
  protected:
    ~Lines() override { set_up(Level::info); }
};

TEST(Modules, AreTheFoldersOfTheInterceptor) {
    static_assert(module_of("interceptor/sync/cni_add.cpp") == Module::sync);
    static_assert(module_of("/x/interceptor/y/interceptor/api/a.cpp") == Module::api);
    static_assert(module_of("interceptor/daemon.cpp") == Module::daemon);
    static_assert(module_of("interceptor/api.cpp") == Module::daemon);
    static_assert(module_of("test/unit/client/log_test.cpp") == Module::daemon);
    for (const Module module : kModules) {
        EXPECT_EQ(parse_module(to_string(module)), module);
    }
    EXPECT_EQ(parse_module("nonsense"), std::nullopt);
}

TEST(Levels, HaveTheNamesThatFsmsProgramsAccept) {
    EXPECT_EQ(parse_level("debug"), Level::debug);
    EXPECT_EQ(parse_level("DEBUG"), Level::debug);
    EXPECT_EQ(parse_level("warn"), Level::warning);
    EXPECT_EQ(parse_level("fatal"), Level::error);
    EXPECT_EQ(parse_level("panic"), Level::error);
    EXPECT_EQ(parse_level("disabled"), Level::off);
    EXPECT_EQ(parse_level("loud"), std::nullopt);
    for (const Level level :
         {Level::trace, Level::debug, Level::info, Level::warning, Level::error, Level::off}) {
        EXPECT_EQ(parse_level(to_string(level)), level);
    }
}

TEST_F(Lines, AreText) {
    const std::string line = written([] {
        set_up(Level::info);
        info(Pod{"shop/web"}, "container={} enrolled", "c1");
    });
    EXPECT_THAT(line, EndsWith("Z info [daemon] pod=shop/web container=c1 enrolled"));
    EXPECT_THAT(written([] {
                    set_up(Level::info);
                    warn("x");
                }),
                EndsWith("warning [daemon] x"));
}

TEST_F(Lines, AreJsonWithThePodInAMember) {
    const auto line = nlohmann::json::parse(written([] {
        set_up(Level::info, Format::json);
        warn(Pod{"shop/web"}, "say \"{}\"\n\xff", "x");
    }));
    EXPECT_EQ(line.at("level"), "warn");
    EXPECT_EQ(line.at("module"), "daemon");
    EXPECT_EQ(line.at("pod"), "shop/web");
    EXPECT_EQ(line.at("message"), "say \"x\"\n\xEF\xBF\xBD");
    EXPECT_THAT(line.at("time"), EndsWith("Z"));
}

TEST_F(Lines, OfNoPodHaveNoName) {
    const auto line = nlohmann::json::parse(written([] {
        set_up(Level::info, Format::json);
        info(Pod{"/"}, "a container that is no pod");
    }));
    EXPECT_FALSE(line.contains("pod"));
}

TEST_F(Lines, AreWrittenByTheLevelOfTheirModule) {
    EXPECT_EQ(written([] {
                  set_up(Level::error);
                  set_level(Module::api, Level::debug);
                  debug("x");
                  warn("x");
              }),
              "");
    EXPECT_NE(written([] {
                  set_up(Level::error);
                  set_level(Module::daemon, Level::debug);
                  debug("x");
              }),
              "");
    EXPECT_EQ(level_of(Module::daemon), Level::debug);
    EXPECT_EQ(written([] {
                  set_up(Level::off);
                  error("x");
              }),
              "");
}

}  // namespace
}  // namespace fsm::log
