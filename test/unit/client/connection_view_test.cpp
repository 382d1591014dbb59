// The table of open connections: which are shown, in which order, and how.
#include "interceptor/client/connection_view.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace fsm {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// As GET /v1/connections has them.
json connection(const std::string& pod, const std::string& destination, double age = 1) {
    const json end = {{"pod", pod},
                      {"process", "application"},
                      {"address", "10.1.0.5:4000"},
                      {"unread", 0},
                      {"unsent", 0},
                      {"uid", 1000},
                      {"socketCookie", 7}};
    json server = end;
    server["process"] = "sidecar";
    server["address"] = "127.0.0.1:15001";
    return {{"kind", "outbound"},
            {"state", "ESTABLISHED"},
            {"destination", destination},
            {"accelerated", true},
            {"reason", "messages go from socket to socket"},
            {"client", end},
            {"server", server},
            {"toServer", {{"redirected", 10}, {"tcp", 2048}}},
            {"toClient", {{"redirected", 0}, {"tcp", 1}}},
            {"ageSeconds", age}};
}

std::string lines_of(const std::vector<json>& connections) {
    std::string lines;
    for (const json& each : connections) {
        lines += each.dump() + "\n";
    }
    return lines;
}

std::vector<std::string> destinations(const std::vector<json>& given,
                                      const ConnectionQuery& query) {
    const auto chosen = choose_connections(lines_of(given), query);
    EXPECT_TRUE(chosen) << chosen.error().message();
    std::vector<std::string> names;
    for (const json& each : *chosen) {
        names.push_back(each.at("destination"));
    }
    return names;
}

TEST(Connections, AreChosenByThePodOfEitherEnd) {
    json between = connection("a/client", "10.1.0.2:80");
    between["server"]["pod"] = "a/server";
    const std::vector<json> given = {connection("a/other", "10.1.0.1:80"), between};
    ConnectionQuery query;
    query.pod = "a/client";
    EXPECT_THAT(destinations(given, query), ElementsAre("10.1.0.2:80"));
    query.pod = "a/server";
    EXPECT_THAT(destinations(given, query), ElementsAre("10.1.0.2:80"));
    query.pod = "a/serve";
    EXPECT_THAT(destinations(given, query), ElementsAre());
}

TEST(Connections, AreChosenByTheirDestination) {
    const std::vector<json> given = {
        connection("a/b", "10.1.0.1:80"), connection("a/b", "10.1.255.1:443"),
        connection("a/b", "10.2.0.1:80"), connection("a/b", "[fd00::1]:80")};
    ConnectionQuery query;
    query.to = *Cidr::parse("10.1.0.0/16");
    EXPECT_THAT(destinations(given, query), ElementsAre("10.1.0.1:80", "10.1.255.1:443"));
    query.port = 443;
    EXPECT_THAT(destinations(given, query), ElementsAre("10.1.255.1:443"));
    query = {};
    query.port = 80;
    EXPECT_EQ(destinations(given, query).size(), 3U);
    query.to = *Cidr::parse("fd00::/8");
    EXPECT_THAT(destinations(given, query), ElementsAre("[fd00::1]:80"));
    query.to = *Cidr::parse("::/0");
    EXPECT_THAT(destinations(given, query), ElementsAre("[fd00::1]:80"));
    query.to = *Cidr::parse("0.0.0.0/0");
    EXPECT_EQ(destinations(given, query).size(), 2U);
    query.to = *Cidr::parse("10.2.0.1");
    EXPECT_THAT(destinations(given, query), ElementsAre("10.2.0.1:80"));
    query.to = *Cidr::parse("10.2.0.0/15");
    EXPECT_THAT(destinations(given, query), ElementsAre("10.2.0.1:80"));
}

TEST(Connections, AreSorted) {
    json busy = connection("b/x", "10.1.0.1:8080", 20);
    busy["toClient"]["redirected"] = 1 << 20;
    json stuck = connection("a/y", "10.1.0.2:80", 30);
    stuck["server"]["unread"] = 5;
    const std::vector<json> given = {busy, connection("c/z", "9.0.0.1:80", 10), stuck};
    ConnectionQuery query;
    EXPECT_THAT(destinations(given, query),
                ElementsAre("10.1.0.2:80", "10.1.0.1:8080", "9.0.0.1:80"));
    query.order = ConnectionOrder::destination;
    EXPECT_THAT(destinations(given, query),
                ElementsAre("9.0.0.1:80", "10.1.0.1:8080", "10.1.0.2:80"));
    query.order = ConnectionOrder::age;
    EXPECT_THAT(destinations(given, query),
                ElementsAre("9.0.0.1:80", "10.1.0.1:8080", "10.1.0.2:80"));
    query.order = ConnectionOrder::bytes;
    EXPECT_EQ(destinations(given, query).front(), "10.1.0.1:8080");
    query.order = ConnectionOrder::unread;
    EXPECT_EQ(destinations(given, query).front(), "10.1.0.2:80");
}

TEST(Connections, AreATable) {
    const auto text =
        connections_text({connection("a/b", "10.1.0.1:80", 3700)}, OutputFormat::text);
    ASSERT_TRUE(text);
    EXPECT_EQ(
        *text,
        "POD   KIND       CLIENT                      SERVER                    DESTINATION   "
        "ACCELERATED   REDIRECTED   TCP      UNREAD   AGE    STATE\n"
        "a/b   outbound   application 10.1.0.5:4000   sidecar 127.0.0.1:15001   10.1.0.1:80   "
        "yes           10/0         2.0K/1   0/0      1h1m   ESTABLISHED\n");
}

TEST(Connections, OfTwoPodsNameTheSecond) {
    json between = connection("a/client", "10.1.0.2:80");
    between["server"]["pod"] = "a/server";
    EXPECT_THAT(*connections_text({between}, OutputFormat::text),
                HasSubstr("a/server sidecar 127.0.0.1:15001"));
    json from_outside = connection("", "10.1.0.2:80");
    from_outside["client"] = {{"pod", ""}, {"process", "outside"}, {"address", "10.9.0.1:5000"}};
    from_outside["server"]["pod"] = "a/server";
    const auto text = *connections_text({from_outside}, OutputFormat::wide);
    EXPECT_THAT(text, HasSubstr("outside 10.9.0.1:5000"));
    EXPECT_THAT(text, HasSubstr("a/server   outbound"));
    EXPECT_THAT(text, HasSubstr("-/1000   -/7"));
}

TEST(Connections, SayWhyOnlyWhenTheTableIsWide) {
    const json one = connection("a/b", "10.1.0.1:80");
    EXPECT_THAT(*connections_text({one}, OutputFormat::wide), HasSubstr("socket to socket\n"));
    EXPECT_THAT(*connections_text({one}, OutputFormat::text), Not(HasSubstr("socket to socket")));
}

TEST(Connections, AreLinesOfJson) {
    const json one = connection("a/b", "10.1.0.1:80");
    const auto text = *connections_text({one, one}, OutputFormat::json);
    EXPECT_EQ(text, one.dump() + "\n" + one.dump() + "\n");
    EXPECT_EQ(*connections_text({}, OutputFormat::json), "");
}

TEST(Connections, OfAStrangeAnswerAreAnError) {
    for (const char* lines : {"<html>", "{}", "[]", R"({"destination": 5})"}) {
        const auto chosen = choose_connections(lines, {});
        ASSERT_FALSE(chosen) << lines;
        EXPECT_THAT(chosen.error().message(), HasSubstr("unexpected answer"));
    }
}

TEST(Sizes, HaveFourCharacters) {
    EXPECT_EQ(short_size(0), "0");
    EXPECT_EQ(short_size(1023), "1023");
    EXPECT_EQ(short_size(1024), "1.0K");
    EXPECT_EQ(short_size(10189), "10K");
    EXPECT_EQ(short_size((1 << 20) - 1), "1.0M");
    EXPECT_EQ(short_size(std::uint64_t{5} << 40), "5.0T");
    EXPECT_EQ(short_size(~std::uint64_t{0}), "16E");
}

TEST(Ages, HaveTwoUnits) {
    EXPECT_EQ(short_age(0.9), "0s");
    EXPECT_EQ(short_age(59), "59s");
    EXPECT_EQ(short_age(60), "1m");
    EXPECT_EQ(short_age(200), "3m20s");
    EXPECT_EQ(short_age(2 * 3600 + 300), "2h5m");
    EXPECT_EQ(short_age(100 * 3600), "4d4h");
}

}  // namespace
}  // namespace fsm
