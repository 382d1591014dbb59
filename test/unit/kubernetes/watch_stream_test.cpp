#include "interceptor/kubernetes/watch_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fsm::testing {

namespace {

using ::testing::HasSubstr;
using Kind = WatchEvent::Kind;

constexpr const char* kAdded =
    R"({"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"a","resourceVersion":"7"}}})";

std::vector<WatchEvent> events_of(WatchStream& stream, const std::string& bytes) {
    std::vector<WatchEvent> events;
    const auto fed = stream.feed(bytes, [&](WatchEvent event) {
        events.push_back(std::move(event));
        return true;
    });
    EXPECT_TRUE(fed) << fed.error().message();
    return events;
}

std::string failure_of(const std::string& bytes, std::size_t limit = 1000) {
    WatchStream stream(limit);
    const auto fed = stream.feed(bytes, [](const WatchEvent&) { return true; });
    return fed ? "no failure" : fed.error().message();
}

TEST(WatchStream, PutsPiecesTogether) {
    WatchStream stream;
    std::vector<WatchEvent> events;
    for (const char c : std::string(kAdded) + "\r\n\n") {
        for (auto& event : events_of(stream, std::string(1, c))) {
            events.push_back(std::move(event));
        }
    }
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].kind, Kind::changed);
    EXPECT_EQ(events[0].version, "7");
    EXPECT_EQ(events[0].object.at("kind"), "Pod");
    EXPECT_FALSE(stream.is_within_event());
}

TEST(WatchStream, KnowsTheKinds) {
    WatchStream stream;
    const std::string object = R"(,"object":{"metadata":{"resourceVersion":"9"}}})";
    const auto events =
        events_of(stream, R"({"type":"MODIFIED")" + object + "\n" + R"({"type":"DELETED")" +
                              object + "\n" + R"({"type":"BOOKMARK")" + object + "\n");
    ASSERT_EQ(events.size(), 3U);
    EXPECT_EQ(events[0].kind, Kind::changed);
    EXPECT_EQ(events[1].kind, Kind::removed);
    EXPECT_EQ(events[2].kind, Kind::bookmark);
}

TEST(WatchStream, AnErrorIsAnEvent) {
    WatchStream stream;
    const auto events = events_of(
        stream, R"({"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}})"
                "\n");
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].kind, Kind::failed);
    EXPECT_EQ(events[0].failure_code, 410);
    EXPECT_EQ(events[0].failure_text, "too old");
}

TEST(WatchStream, NoticesTruncation) {
    WatchStream stream;
    EXPECT_TRUE(events_of(stream, std::string(kAdded).substr(0, 20)).empty());
    EXPECT_TRUE(stream.is_within_event());
}

TEST(WatchStream, RefusesGarbage) {
    EXPECT_THAT(failure_of("<html>\n"), HasSubstr("garbled"));
    EXPECT_THAT(failure_of("{}\n"), HasSubstr("no type"));
    EXPECT_THAT(failure_of("[1]\n"), HasSubstr("not a JSON object"));
    EXPECT_THAT(failure_of(R"({"type":1,"object":{}})"
                           "\n"),
                HasSubstr("no type"));
    EXPECT_THAT(failure_of(R"({"type":"ADDED","object":[]})"
                           "\n"),
                HasSubstr("no object"));
    EXPECT_THAT(failure_of(R"({"type":"ADDED","object":{}})"
                           "\n"),
                HasSubstr("resourceVersion"));
    EXPECT_THAT(failure_of(R"({"type":"NEW","object":{}})"
                           "\n"),
                HasSubstr("unknown type"));
    EXPECT_THAT(failure_of(std::string(1001, 'x')), HasSubstr("more than 1000 bytes"));
    EXPECT_THAT(failure_of("{\"type\":\"\xff\"}\n"), HasSubstr("JSON"));
    EXPECT_THAT(failure_of(std::string(100000, '[') + "\n", 200000), HasSubstr("JSON"));
}

TEST(WatchStream, StopsWhenAsked) {
    WatchStream stream;
    int seen = 0;
    const auto fed =
        stream.feed(std::string(kAdded) + "\n" + kAdded + "\n", [&](const WatchEvent&) {
            ++seen;
            return false;
        });
    EXPECT_TRUE(fed);
    EXPECT_EQ(seen, 1);
}

}  // namespace

}  // namespace fsm::testing
