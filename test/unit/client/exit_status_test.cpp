#include "interceptor/client/exit_status.h"

#include <gmock/gmock.h>

#include "interceptor/client/answer.h"

namespace fsm {
namespace {

using testing::HasSubstr;

TEST(ExitStatus, IsOfTheFailure) {
    EXPECT_EQ(exit_status_of(Error("x", ENOENT)), ExitStatus::not_running);
    EXPECT_EQ(exit_status_of(Error("x", ECONNREFUSED)), ExitStatus::not_running);
    EXPECT_EQ(exit_status_of(Error("x", EACCES)), ExitStatus::failed);
    EXPECT_EQ(exit_status_of(Error("x")), ExitStatus::failed);
}

TEST(Asking, WithoutAnInterceptorSaysHowToStartOne) {
    for (const auto& answer : {ask_interceptor("/nonexistent/api.sock", "/v1/status"),
                               tell_interceptor("/nonexistent/api.sock", "/v1/log", "{}")}) {
        ASSERT_FALSE(answer);
        EXPECT_EQ(exit_status_of(answer.error()), ExitStatus::not_running);
        EXPECT_THAT(answer.error().message(), HasSubstr("/nonexistent/api.sock"));
        EXPECT_THAT(answer.error().message(), HasSubstr("start it as root with `fsm-interceptor`"));
    }
}

}  // namespace
}  // namespace fsm
