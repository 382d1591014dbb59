#include <stdexcept>
#include <thread>
#include <vector>

#include "test/unit/api/api_fixture.h"

namespace fsm::testing {

namespace {

class Api : public ApiTest {};

TEST_F(Api, APodFromAddToDel) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    const auto added = ask("POST", "/v1/cni/create-pod", body_for(netns.path()));
    EXPECT_EQ(added.status, 200);
    EXPECT_EQ(added.body, "ok");
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    EXPECT_EQ(ask("POST", "/v1/cni/check-pod", body_for(netns.path())).status, 200);

    const auto pods = ask("GET", "/v1/pods").json();
    ASSERT_EQ(pods["pods"].size(), 1U);
    EXPECT_EQ(pods["pods"][0]["pod"], "default/web");
    EXPECT_EQ(pods["pods"][0]["state"], "in-mesh");
    EXPECT_EQ(pods["pods"][0]["network"], "net");
    EXPECT_EQ(pods["pods"][0]["addresses"][0], "10.77.0.5");

    EXPECT_EQ(ask("POST", "/v1/cni/delete-pod", body_for("")).status, 200);
    EXPECT_FALSE(datapath.enrolled(netns.cookie()));
    EXPECT_EQ(ask("POST", "/v1/cni/delete-pod", body_for("")).status, 200);
}

TEST_F(Api, ErrorsAreCniErrors) {
    const TestNetns netns;
    source.fail("cannot tell");
    const auto later = ask("POST", "/v1/cni/create-pod", body_for(netns.path()));
    EXPECT_EQ(later.status, 503);
    EXPECT_EQ(later.json()["code"], 11);
    EXPECT_FALSE(later.json()["msg"].get<std::string>().empty());
    EXPECT_NE(later.json()["details"].get<std::string>().find("cannot tell"), std::string::npos);
    source.fail("");
    source.put(mesh_pod("web"));
    datapath.enrol_failure = "no";
    const auto failed = ask("POST", "/v1/cni/create-pod", body_for(netns.path()));
    EXPECT_EQ(failed.status, 500);
    EXPECT_EQ(failed.json()["code"], 100);
    const auto wrong = ask("POST", "/v1/cni/create-pod", body_for("/etc/passwd"));
    EXPECT_EQ(wrong.status, 400);
    EXPECT_EQ(wrong.json()["code"], 4);
}

TEST_F(Api, GarbageBodiesSayWhere) {
    const std::pair<std::string, std::string> table[] = {
        {"", "column 1"},
        {"{\"ContainerID\":", "column 16"},
        {"[]", "not a JSON object"},
        {R"({"ContainerID":1})", "ContainerID is not a string"},
        {R"({"StdinData":"%%%%"})", "StdinData"},
        {std::string(300000, '['), ""},
        {"\xff\xfe", "column 1"},
    };
    for (const auto& [body, mentions] : table) {
        const auto answer = ask("POST", "/v1/cni/create-pod", body);
        EXPECT_EQ(answer.status, 400) << body.substr(0, 40);
        EXPECT_EQ(answer.json()["code"], 6) << body.substr(0, 40);
        EXPECT_NE(answer.body.find(mentions), std::string::npos) << answer.body;
    }
}

TEST_F(Api, WrongMethodsAndRoutes) {
    const auto wrong = ask("GET", "/v1/cni/create-pod");
    EXPECT_EQ(wrong.status, 405);
    EXPECT_NE(wrong.header.find("Allow: POST"), std::string::npos);
    EXPECT_EQ(ask("POST", "/v1/pods", "x").status, 405);
    EXPECT_EQ(ask("DELETE", "/v1/cni/gc").status, 405);
    EXPECT_EQ(ask("GET", "/v1/nothing").status, 404);
    EXPECT_EQ(ask("GET", "/").status, 404);
    EXPECT_EQ(ask("GET", "/v1/cni/../pods").status, 404);
    EXPECT_EQ(ask("POST", "/v1/nothing", "{}").json()["msg"], "there is no such route");
}

TEST_F(Api, AnExceptionIsAnAnswerAndEndsNothing) {
    router.get("/broken", [](const std::string&) -> HttpResponse {
        throw std::length_error("longer than anything");
    });
    serve();
    const Answer broken = ask("GET", "/broken");
    EXPECT_EQ(broken.status, 500);
    EXPECT_EQ(broken.json()["msg"], "internal error while serving /broken");
    EXPECT_EQ(broken.json()["details"], "longer than anything");
    EXPECT_EQ(ask("GET", "/healthz").status, 200);
}

TEST_F(Api, GarbageCollection) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    ASSERT_EQ(ask("POST", "/v1/cni/create-pod", body_for(netns.path())).status, 200);
    // {"name":"net"}: no list, nothing is collected.
    EXPECT_EQ(ask("POST", "/v1/cni/gc", R"({"Path":"","StdinData":"eyJuYW1lIjoibmV0In0="})").status,
              200);
    EXPECT_TRUE(datapath.enrolled(netns.cookie()));
    // {"name":"net","cni.dev/valid-attachments":[]}
    EXPECT_EQ(ask("POST", "/v1/cni/gc",
                  R"({"StdinData":"eyJuYW1lIjoibmV0IiwiY25pLmRldi92YWxpZC1hdHRhY2htZW50cyI6W119"})")
                  .status,
              200);
    EXPECT_FALSE(datapath.enrolled(netns.cookie()));
}

TEST_F(Api, StatusForTheRuntime) {
    EXPECT_EQ(ask("GET", "/v1/cni/status").status, 200);
    EXPECT_EQ(ask("GET", "/readyz").status, 200);
    EXPECT_EQ(ask("GET", "/healthz").status, 200);
    reconcile_age = std::chrono::minutes(5);
    EXPECT_EQ(ask("GET", "/healthz").status, 503);
    installed = Error("no network yet");
    EXPECT_EQ(ask("GET", "/readyz").status, 503);
    EXPECT_EQ(ask("GET", "/v1/cni/status").status, 200) << "a runtime that asks does call us";
    installed = {};
    datapath.set_node_conditions({{"connect4", "fsm_connect4 is detached"}});
    const auto broken = ask("GET", "/readyz");
    EXPECT_EQ(broken.status, 503);
    EXPECT_EQ(broken.json()["code"], 50);
    EXPECT_EQ(broken.json()["details"], "fsm_connect4 is detached");
    datapath.set_node_conditions({});
    EXPECT_EQ(ask("GET", "/readyz").status, 200);
    std::filesystem::remove_all(directory.path() + "/attachments");
    const auto status = ask("GET", "/v1/cni/status");
    EXPECT_EQ(status.status, 503);
    EXPECT_EQ(status.json()["code"], 50);
}

TEST_F(Api, ReadOnlyViews) {
    const auto status = ask("GET", "/v1/status").json();
    EXPECT_EQ(status["profile"], "fsm");
    EXPECT_EQ(status["automaticAcceleration"]["scope"], "sidecar");
    EXPECT_EQ(status["capabilities"][0]["name"], "sk_lookup");
    EXPECT_EQ(ask("GET", "/v1/programs").json()["programs"][0]["attached"], true);
    EXPECT_EQ(ask("GET", "/v1/maps").json()["maps"][0]["entries"], 1);
    EXPECT_EQ(ask("GET", "/v1/counters").json()["counters"]["connect_outbound"], 42);
    EXPECT_EQ(ask("HEAD", "/v1/status").status, 200);
    datapath.unreadable = true;
    EXPECT_EQ(ask("GET", "/v1/maps").status, 500);
}

TEST_F(Api, Metrics) {
    ask("POST", "/v1/cni/delete-pod", body_for(""));
    const auto text = ask("GET", "/metrics").body;
    for (const char* line :
         {"fsm_decisions_total{hook=\"connect\",verdict=\"redirected\",reason=\"outbound\"} 42",
          "fsm_map_entries{map=\"fsm_pods\"} 1", "fsm_attachments{state=\"in-mesh\"} 0",
          "fsm_cni_requests_total{result=\"ok\",verb=\"del\"} 1", "fsm_build_info{",
          "fsm_scrape_errors 0", "fsm_pod_events_waiting 3", "fsm_pod_events_dropped_total 2"}) {
        EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
    }
}

TEST_F(Api, MetricsSayWhatTheyCannotRead) {
    datapath.unreadable = true;
    EXPECT_NE(ask("GET", "/metrics").body.find("fsm_scrape_errors 1"), std::string::npos);
    datapath.unreadable = false;
    EXPECT_NE(ask("GET", "/metrics").body.find("fsm_scrape_errors 0"), std::string::npos);
}

// Counting the entries of a map requires a walk over it.
TEST_F(Api, ScrapesDoNotCountTheMapsEachTime) {
    for (int scrape = 0; scrape < 5; ++scrape) {
        EXPECT_NE(ask("GET", "/metrics").body.find("fsm_map_entries{map=\"fsm_pods\"} 1"),
                  std::string::npos);
    }
    EXPECT_EQ(datapath.map_counts, 1);
}

TEST_F(Api, PodsSayWhyTheirInboundMechanismIsNotTheFirstChoice) {
    const TestNetns netns;
    source.put(mesh_pod("web"));
    datapath.inbound = InboundMechanism::tc;
    datapath.inbound_reason = "the sidecar listens by MPTCP on port 15003";
    EXPECT_EQ(ask("POST", "/v1/cni/create-pod", body_for(netns.path())).status, 200);
    const auto pod = ask("GET", "/v1/pods").json()["pods"][0];
    EXPECT_EQ(pod["inbound"], "tc");
    EXPECT_EQ(pod["inboundReason"], datapath.inbound_reason);
}

TEST_F(Api, MetricsCountAddressesThatAreAnotherPods) {
    const TestNetns victim;
    const TestNetns attacker;
    PodEnrolment of_victim;
    of_victim.netns_cookie = victim.cookie();
    of_victim.given = {*IpAddress::parse("10.77.0.5")};
    datapath.plant(of_victim);
    source.put(mesh_pod("web"));
    EXPECT_EQ(ask("POST", "/v1/cni/create-pod", body_for(attacker.path())).status, 200);
    EXPECT_NE(ask("GET", "/metrics").body.find("fsm_address_conflicts 1"), std::string::npos);
}

// The alerts of docs/alerts.md clear when their cause is gone.
TEST_F(Api, AProblemIsInEveryViewUntilItIsOver) {
    const auto value = [&](const std::string& component) {
        const auto text = ask("GET", "/metrics").body;
        const std::string name = "fsm_problems{component=\"" + component + "\"} ";
        const auto found = text.find(name);
        return found == std::string::npos ? "absent" : text.substr(found + name.size(), 1);
    };
    EXPECT_EQ(value("datapath"), "0");
    EXPECT_EQ(value("installation"), "0");
    datapath.set_node_conditions({{"connect4", "fsm_connect4 is detached"}});
    conditions->set(Component::installation, {"binary", "the disk is full"});
    EXPECT_EQ(value("datapath"), "1");
    EXPECT_EQ(value("installation"), "1");
    const auto status = ask("GET", "/v1/status").json();
    EXPECT_EQ(status["problems"], nlohmann::json({"fsm_connect4 is detached", "the disk is full"}));
    EXPECT_EQ(status["conditions"][1]["component"], "installation");
    EXPECT_EQ(status["conditions"][1]["kind"], "lasting");
    EXPECT_EQ(status["conditions"][1]["since"].get<std::string>().size(), 20U);
    datapath.set_node_conditions({});
    conditions->clear(Component::installation, "binary");
    EXPECT_EQ(value("datapath"), "0");
    EXPECT_EQ(value("installation"), "0");
    EXPECT_TRUE(ask("GET", "/v1/status").json()["problems"].empty());
}

TEST_F(Api, AHundredAddsAtOnce) {
    constexpr std::size_t kPods = 100;
    std::vector<std::unique_ptr<TestNetns>> namespaces;
    for (std::size_t i = 0; i < kPods; ++i) {
        namespaces.push_back(std::make_unique<TestNetns>(std::vector<std::string>{
            "addr add 10.77.1." + std::to_string(i + 1) + "/16 dev eth0"}));
        source.put(mesh_pod("web" + std::to_string(i)));
    }
    std::vector<double> took(kPods);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kPods; ++i) {
        threads.emplace_back([&, i] {
            const std::string number = std::to_string(i);
            const auto begin = std::chrono::steady_clock::now();
            EXPECT_EQ(ask("POST", "/v1/cni/create-pod",
                          body_for(namespaces[i]->path(), "web" + number, "c" + number))
                          .status,
                      200);
            took[i] =
                std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
                    .count();
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    std::sort(took.begin(), took.end());
    std::printf("100 ADDs over the socket at once: median %.1f ms, p99 %.1f ms\n", took[kPods / 2],
                took[98]);
    EXPECT_EQ(datapath.size(), kPods);
}

}  // namespace

}  // namespace fsm::testing
