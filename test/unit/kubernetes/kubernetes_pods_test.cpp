#include "interceptor/kubernetes/kubernetes_pods.h"

#include <set>

#include "api_fixture.h"
#include "test/unit/problem_texts.h"

namespace fsm::testing {

namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class KubernetesPodsTest : public ApiTest {
  protected:
    KubernetesPodsTest() {
        options_.node = "n1";
        options_.first_list_time = 5s;
        options_.find_time = 1s;
        options_.out_of_reach_time = 0ms;
        options_.collection.backoff = {.first = 10ms, .longest = 50ms};
    }

    void open() { open(access()); }
    void open(const ClusterAccess& access) {
        pods_ = std::make_unique<KubernetesPods>(access, options_);
        const auto watched = pods_->watch([this](const PodName& name) {
            const std::lock_guard guard(mutex_);
            told_.insert(name.name);
            ++tellings_;
        });
        ASSERT_TRUE(watched) << watched.error().message();
    }
    // The uid of the pod in memory; "" if there is none.
    std::string known(const std::string& name) const {
        const auto all = pods_->list();
        if (all) {
            for (const Pod& pod : *all) {
                if (pod.name.name == name) {
                    return pod.uid;
                }
            }
        }
        return "";
    }
    bool soon_known(const std::string& name, const std::string& uid) const {
        return eventually([&] { return known(name) == uid; });
    }
    std::set<std::string> told() {
        const std::lock_guard guard(mutex_);
        return told_;
    }
    std::size_t tellings() {
        const std::lock_guard guard(mutex_);
        return tellings_;
    }
    bool soon_ready() const {
        return eventually([&] { return static_cast<bool>(pods_->ready()); });
    }
    bool soon_connected() const {
        return eventually([&] { return pods_->state().connected; });
    }
    // Waits until a watch is open, so that the next changes arrive by it.
    bool soon_watching() const {
        return eventually([&] { return server_.count(is_watch) > 0; });
    }

    KubernetesPodsOptions options_;
    std::mutex mutex_;
    std::set<std::string> told_;
    std::size_t tellings_ = 0;
    std::unique_ptr<KubernetesPods> pods_;  // last: it calls back
};

TEST_F(KubernetesPodsTest, KnowsThePodsOfItsNode) {
    server_.put(kPods, pod_object("a", "u1"));
    server_.put(kPods, pod_object("b", "u2", "n2"));
    json done = pod_object("c", "u3");
    done["status"]["phase"] = "Succeeded";
    server_.put(kPods, done);
    open();
    EXPECT_TRUE(pods_->ready());
    EXPECT_EQ(known("a"), "u1");
    EXPECT_EQ(known("b"), "");
    EXPECT_EQ(known("c"), "");
    EXPECT_THAT(texts_of(pods_->problems()), IsEmpty());
    EXPECT_EQ(pods_->description(), "Kubernetes API https://127.0.0.1:" +
                                        std::to_string(server_.port()) + " (pods of node n1)");
}

TEST_F(KubernetesPodsTest, AllNodesDropsTheFilter) {
    options_.node.clear();
    server_.put(kPods, pod_object("b", "u2", "n2"));
    open();
    EXPECT_EQ(known("b"), "u2");
    EXPECT_THAT(pods_->description(), HasSubstr("all nodes"));
}

TEST_F(KubernetesPodsTest, ListsInPages) {
    options_.collection.page_objects = 3;
    for (int i = 0; i < 10; ++i) {
        server_.put(kPods, pod_object("p" + std::to_string(i), "u"));
    }
    open();
    EXPECT_EQ(pods_->list()->size(), 10U);
    EXPECT_EQ(server_.count(is_list), 4U);
    EXPECT_TRUE(soon_watching());
}

TEST_F(KubernetesPodsTest, APageThatIsTooLargeIsAskedForInSmallerOnes) {
    options_.collection.page_bytes = 20'000;
    for (int i = 0; i < 8; ++i) {
        json large = pod_object("p" + std::to_string(i), "u");
        large["metadata"]["annotations"]["text"] = std::string(8'000, 'x');
        server_.put(kPods, large);
    }
    open();
    EXPECT_TRUE(soon_ready());
    EXPECT_EQ(pods_->list()->size(), 8U);
}

TEST_F(KubernetesPodsTest, FollowsChanges) {
    server_.put(kPods, pod_object("a", "u1"));
    open();
    ASSERT_TRUE(soon_watching());
    server_.put(kPods, pod_object("b", "u2"));
    EXPECT_TRUE(soon_known("b", "u2"));
    json changed = pod_object("a", "u1");
    changed["metadata"]["annotations"]["x"] = "y";
    server_.put(kPods, changed);
    EXPECT_TRUE(eventually([&] {
        return pods_->find({"shop", "a"})->value().annotations.count("x") == 1;
    }));
    server_.erase(kPods, "shop", "b");
    EXPECT_TRUE(soon_known("b", ""));
    EXPECT_TRUE(eventually([&] { return told() == std::set<std::string>{"a", "b"}; }));
    EXPECT_EQ(server_.count(is_list), 1U);
    EXPECT_EQ(server_.count(is_find), 0U);
}

TEST_F(KubernetesPodsTest, AChangeOfTheStatusAloneIsNotToldOf) {
    server_.put(kPods, pod_object("a", "u1"));
    open();
    ASSERT_TRUE(soon_watching());
    const auto before = tellings();
    json busy = pod_object("a", "u1");
    busy["status"]["podIP"] = "10.0.0.1";
    server_.put(kPods, busy);
    server_.put(kPods, pod_object("b", "u2"));
    ASSERT_TRUE(eventually([&] { return told().count("b") == 1; }));
    EXPECT_EQ(tellings(), before + 1);
}

TEST_F(KubernetesPodsTest, APodThatHasEndedGoes) {
    server_.put(kPods, pod_object("a", "u1"));
    open();
    ASSERT_TRUE(soon_watching());
    json done = pod_object("a", "u1");
    done["status"]["phase"] = "Failed";
    server_.put(kPods, done);
    EXPECT_TRUE(soon_known("a", ""));
}

TEST_F(KubernetesPodsTest, APodThatTheWatchHasNotSeenIsAskedFor) {
    server_.put(kPods, pod_object("elsewhere", "u9", "n2"));
    open();
    const auto found = pods_->find({"shop", "elsewhere"});
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ((*found)->uid, "u9");
    EXPECT_EQ(server_.count(is_find), 1U);
}

TEST_F(KubernetesPodsTest, APodThatIsNotThereIsCertainlyNotThere) {
    open();
    const auto found = pods_->find({"shop", "nobody"});
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_FALSE(*found);
    // Invalid pod names are not queried, and cannot lead to another part of the API.
    const auto requests = server_.requests().size();
    for (const PodName& name : {PodName{"..", "pods"}, PodName{"shop", "../secrets"},
                                PodName{"shop", "a?watch=1"}, PodName{"", "a"}}) {
        const auto answer = pods_->find(name);
        ASSERT_TRUE(answer);
        EXPECT_FALSE(*answer);
    }
    EXPECT_EQ(server_.requests().size(), requests);
}

TEST_F(KubernetesPodsTest, EveryOtherAnswerMeansNotKnown) {
    open();
    const std::vector<Behaviour> answers = {
        [](Exchange& e) { e.refuse(401, "Unauthorized", "no"); },
        [](Exchange& e) { e.refuse(403, "Forbidden", "no"); },
        [](Exchange& e) { e.refuse(429, "TooManyRequests", "later"); },
        [](Exchange& e) { e.refuse(500, "InternalError", "etcd"); },
        [](Exchange& e) { e.answer(404, "<html>no such page</html>"); },
        [](Exchange& e) {
            e.answer(404, json{{"kind", "Status"}, {"reason", 7}});
        },
        [](Exchange& e) { e.answer(200, "<html>welcome</html>"); },
        [](Exchange& e) { e.answer(200, "{}"); },
        [](Exchange& e) { e.answer(200, pod_object("another", "u")); },
        [](Exchange& e) { e.answer(200, std::string(std::size_t{9} << 20, ' ')); },
        [](Exchange& e) { e.close(); },
        [](Exchange& e) {
            e.raw("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{");
            e.close();
        },
    };
    for (std::size_t i = 0; i < answers.size(); ++i) {
        server_.always(is_find, answers[i]);
        const auto found = pods_->find({"shop", "a"});
        EXPECT_FALSE(found) << "answer " << i;
    }
}

TEST_F(KubernetesPodsTest, ARecreatedPodIsFoundBehindTheMemoryOfTheEarlierOne) {
    server_.put(kPods, pod_object("web-0", "old"));
    open();
    ASSERT_TRUE(soon_watching());
    // The watch hangs: no more events arrive.
    server_.always(is_watch, [](Exchange& exchange) { exchange.close(); });
    server_.end_watches();
    server_.erase(kPods, "shop", "web-0");
    server_.put(kPods, pod_object("web-0", "new"));
    const auto found = pods_->find_current({"shop", "web-0"});
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ((*found)->uid, "new");
}

// ---- the stream

TEST_F(KubernetesPodsTest, AWatchThatEndsIsResumedWhereItWas) {
    server_.put(kPods, pod_object("a", "u1"));
    open();
    ASSERT_TRUE(soon_watching());
    server_.put(kPods, pod_object("b", "u2"));
    ASSERT_TRUE(soon_known("b", "u2"));
    server_.end_watches();
    ASSERT_TRUE(eventually([&] { return server_.count(is_watch) == 2; }));
    server_.put(kPods, pod_object("c", "u3"));
    EXPECT_TRUE(soon_known("c", "u3"));
    EXPECT_EQ(server_.count(is_list), 1U);
    EXPECT_THAT(texts_of(pods_->problems()), IsEmpty());
}

TEST_F(KubernetesPodsTest, BookmarksMoveThePlaceOn) {
    server_.set_bookmarks(20ms);
    open();
    ASSERT_TRUE(soon_watching());
    for (int i = 0; i < 5; ++i) {  // of other nodes: the watch is silent about them
        server_.put(kPods, pod_object("x", "u" + std::to_string(i), "n2"));
    }
    std::this_thread::sleep_for(200ms);
    server_.forget_history();
    std::this_thread::sleep_for(300ms);
    server_.end_watches();
    ASSERT_TRUE(eventually([&] { return server_.count(is_watch) == 2; }));
    server_.put(kPods, pod_object("a", "u1"));
    EXPECT_TRUE(soon_known("a", "u1"));
    EXPECT_EQ(server_.count(is_list), 1U) << "resumed from the bookmark";
    for (const auto& request : server_.requests()) {
        if (request.is_watch()) {
            EXPECT_EQ(request.parameter("allowWatchBookmarks"), "true");
            EXPECT_EQ(request.parameter("fieldSelector"),
                      "spec.nodeName=n1,status.phase!=Succeeded,status.phase!=Failed");
        }
    }
}

TEST_F(KubernetesPodsTest, APlaceThatIsForgottenIsListedAgain) {
    server_.put(kPods, pod_object("a", "u1"));
    server_.put(kPods, pod_object("b", "u2"));
    open();
    ASSERT_TRUE(soon_watching());
    // Both forms of 410; while there is no watch, one pod is removed and one is added.
    for (const bool as_status : {false, true}) {
        const auto lists = server_.count(is_list);
        if (as_status) {
            server_.next(is_watch, [](Exchange& e) { e.refuse(410, "Expired", "too old"); });
        }
        server_.put(kPods, pod_object(as_status ? "d" : "c", "u3"));
        server_.erase(kPods, "shop", as_status ? "b" : "a");
        server_.forget_history();
        server_.end_watches();
        EXPECT_TRUE(soon_known(as_status ? "d" : "c", "u3"));
        EXPECT_TRUE(soon_known(as_status ? "b" : "a", ""));
        EXPECT_TRUE(eventually([&] { return server_.count(is_list) > lists; }));
    }
    EXPECT_TRUE(eventually([&] { return told() == std::set<std::string>{"a", "b", "c", "d"}; }));
}

TEST_F(KubernetesPodsTest, AListWhoseNextPageIsForgottenBeginsAgain) {
    options_.collection.page_objects = 2;
    for (int i = 0; i < 5; ++i) {
        server_.put(kPods, pod_object("p" + std::to_string(i), "u"));
    }
    server_.next([](const ReceivedRequest& r) { return !r.parameter("continue").empty(); },
                 [](Exchange& e) { e.refuse(410, "Expired", "continue is too old"); });
    open();
    EXPECT_TRUE(soon_ready());
    EXPECT_EQ(pods_->list()->size(), 5U);
}

TEST_F(KubernetesPodsTest, ABrokenStreamIsResumedAndThenListedAgain) {
    server_.put(kPods, pod_object("a", "u1"));
    const std::vector<std::string> broken = {
        R"({"type":"ADDED","object":{"metadata":{"name":)",  // truncated
        "<html>gateway timeout</html>\n",
        R"({"type":"ADDED"})"
        "\n",
        R"({"type":"ERROR","object":{"code":500,"message":"etcd"}})"
        "\n",
    };
    for (const std::string& bytes : broken) {
        const auto lists = server_.count(is_list);
        const auto watches = server_.count(is_watch);
        server_.always(is_watch, [&](Exchange& exchange) {
            exchange.begin_chunks();
            exchange.chunk(bytes);
            exchange.end_chunks();
        });
        open();
        EXPECT_TRUE(eventually([&] { return server_.count(is_list) >= lists + 2; })) << bytes;
        EXPECT_GE(server_.count(is_watch), watches + 3) << "resumed before all is listed again";
        EXPECT_TRUE(eventually([&] { return !texts_of(pods_->problems()).empty(); }));
        server_.always(nullptr, {});
        EXPECT_TRUE(eventually(
            [&] { return pods_->state().connected && texts_of(pods_->problems()).empty(); }));
        pods_.reset();
    }
}

TEST_F(KubernetesPodsTest, AnAbortedStreamLosesNothing) {
    open();
    ASSERT_TRUE(soon_watching());
    for (int i = 0; i < 5; ++i) {
        server_.stop();
        server_.start();
        server_.put(kPods, pod_object("p" + std::to_string(i), "u"));
        EXPECT_TRUE(soon_known("p" + std::to_string(i), "u"));
    }
    EXPECT_EQ(server_.count(is_list), 1U) << "resumed";
}

TEST_F(KubernetesPodsTest, AnEventThatIsTooLargeBreaksTheStreamOnly) {
    server_.put(kPods, pod_object("a", "u1"));
    server_.next(is_watch, [](Exchange& exchange) {
        exchange.begin_chunks();
        const std::string megabyte(std::size_t{1} << 20, 'x');
        for (int i = 0; i < 20 && exchange.chunk(megabyte); ++i) {
        }
    });
    open();
    EXPECT_TRUE(
        eventually([&] { return server_.count(is_watch) >= 2 && pods_->state().connected; }));
    EXPECT_EQ(known("a"), "u1");
}

TEST_F(KubernetesPodsTest, AnUnreadablePodIsAProblemOfThatPodAlone) {
    server_.put(kPods, pod_object("a", "u1"));
    json odd = pod_object("odd", "u2");
    odd["spec"]["hostNetwork"] = "perhaps";
    server_.put(kPods, odd);
    open();
    EXPECT_EQ(known("a"), "u1");
    ASSERT_EQ(texts_of(pods_->problems()).size(), 1U);
    EXPECT_THAT(texts_of(pods_->problems()).front(), HasSubstr("pod \"shop/odd\""));
    EXPECT_THAT(texts_of(pods_->problems()).front(), HasSubstr("hostNetwork"));
    EXPECT_FALSE(pods_->find({"shop", "odd"})) << "not known is not the same as not there";
    ASSERT_TRUE(soon_watching());
    server_.put(kPods, pod_object("odd", "u2"));
    EXPECT_TRUE(soon_known("odd", "u2"));
    EXPECT_THAT(texts_of(pods_->problems()), IsEmpty());
}

TEST_F(KubernetesPodsTest, MemoryIsBounded) {
    options_.max_pods = 3;
    for (int i = 0; i < 6; ++i) {
        server_.put(kPods, pod_object("p" + std::to_string(i), "u"));
    }
    open();
    EXPECT_EQ(pods_->list()->size(), 3U);
    ASSERT_TRUE(soon_watching());
    server_.put(kPods, pod_object("p9", "u"));
    EXPECT_TRUE(eventually([&] { return told().count("p9") == 1; }));
    EXPECT_EQ(pods_->list()->size(), 3U);
    EXPECT_THAT(texts_of(pods_->problems()), Contains(HasSubstr("more than 3 pods")));
    EXPECT_TRUE(*pods_->find({"shop", "p5"})) << "asked for";
}

// ---- the API is away

TEST_F(KubernetesPodsTest, ComesUpWhileTheApiIsAway) {
    server_.stop();
    const auto began = std::chrono::steady_clock::now();
    open();
    EXPECT_LT(std::chrono::steady_clock::now() - began, 3s);
    EXPECT_FALSE(pods_->ready());
    EXPECT_FALSE(pods_->list());
    EXPECT_FALSE(pods_->find({"shop", "a"}));
    ASSERT_FALSE(texts_of(pods_->problems()).empty());
    EXPECT_THAT(texts_of(pods_->problems()).front(), HasSubstr("cannot connect"));
    server_.start();
    server_.put(kPods, pod_object("a", "u1"));
    EXPECT_TRUE(soon_known("a", "u1"));
    EXPECT_TRUE(eventually([&] { return told().count("a") == 1; }));
    EXPECT_TRUE(pods_->ready());
    EXPECT_THAT(texts_of(pods_->problems()), IsEmpty());
}

TEST_F(KubernetesPodsTest, WhileTheApiIsAwayKnownPodsStayAsTheyWere) {
    server_.put(kPods, pod_object("a", "u1"));
    open();
    ASSERT_TRUE(soon_watching());
    const auto before = tellings();
    server_.stop();
    ASSERT_TRUE(eventually([&] { return !pods_->state().connected; }));
    EXPECT_TRUE(pods_->ready());
    EXPECT_EQ((*pods_->find({"shop", "a"}))->uid, "u1");
    EXPECT_EQ(pods_->list()->size(), 1U);
    EXPECT_FALSE(pods_->find({"shop", "b"})) << "not known";
    EXPECT_THAT(texts_of(pods_->problems()).front(), HasSubstr("stay as they are"));
    EXPECT_EQ(tellings(), before);
    server_.start();
    EXPECT_TRUE(soon_connected());
    EXPECT_THAT(texts_of(pods_->problems()), IsEmpty());
}

TEST_F(KubernetesPodsTest, WhoAsksWhileTheApiIsAwayDoesNotWaitForEachPod) {
    options_.out_of_reach_time = 10s;
    options_.find_time = 200ms;
    server_.always([](const ReceivedRequest&) { return true; },
                   [](Exchange& exchange) {
                       std::this_thread::sleep_for(500ms);
                       exchange.close();
                   });
    options_.first_list_time = 0ms;
    open();
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(pods_->find({"shop", "p" + std::to_string(i)}));
    }
    EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
    server_.always(nullptr, {});
}

TEST_F(KubernetesPodsTest, AnExpiredTokenIsReplacedInTheMiddleOfIt) {
    ClusterAccess with = access();
    with.token.file = directory_.write("token", "first");
    server_.set_token("first");
    open(with);
    ASSERT_TRUE(soon_watching());
    server_.set_token("second");
    server_.end_watches();
    ASSERT_TRUE(eventually([&] { return !texts_of(pods_->problems()).empty(); }));
    EXPECT_THAT(texts_of(pods_->problems()).front(), HasSubstr("401 Unauthorized"));
    directory_.write("token", "second");
    EXPECT_TRUE(eventually([&] { return texts_of(pods_->problems()).empty(); }));
    server_.put(kPods, pod_object("a", "u1"));
    EXPECT_TRUE(soon_known("a", "u1"));
}

TEST_F(KubernetesPodsTest, AWrongAuthorityIsToldOf) {
    const TestAuthority other;
    ClusterAccess wrong = access();
    wrong.authority.text = other.certificate();
    open(wrong);
    EXPECT_THAT(texts_of(pods_->problems()).front(), HasSubstr("certificate is not accepted"));
    EXPECT_FALSE(pods_->ready());
    EXPECT_TRUE(server_.requests().empty());
}

TEST_F(KubernetesPodsTest, GarbageInsteadOfAListIsNotTakenForAnEmptyOne) {
    server_.put(kPods, pod_object("a", "u1"));
    for (const char* garbage : {"<html>login</html>", "{}", "[]", R"({"items":[]})",
                                R"({"metadata":{"resourceVersion":"1"}})",
                                R"({"metadata":{"resourceVersion":"1"},"items":{}})", "null", ""}) {
        server_.always(is_list, [&](Exchange& exchange) { exchange.answer(200, garbage); });
        open();
        EXPECT_FALSE(pods_->ready()) << garbage;
        EXPECT_FALSE(texts_of(pods_->problems()).empty()) << garbage;
        server_.always(nullptr, {});
        EXPECT_TRUE(soon_known("a", "u1")) << garbage;
        pods_.reset();
    }
}

TEST_F(KubernetesPodsTest, AListWithoutEndIsNoticed) {
    server_.always(is_list, [](Exchange& exchange) {
        exchange.answer(200, R"({"metadata":{"resourceVersion":"1","continue":"x"},"items":[]})");
    });
    open();
    EXPECT_FALSE(pods_->ready());
    EXPECT_THAT(texts_of(pods_->problems()).front(), HasSubstr("again and again"));
}

TEST_F(KubernetesPodsTest, CountsWhatItDoes) {
    server_.put(kPods, pod_object("a", "u1"));
    open();
    ASSERT_TRUE(eventually([&] { return pods_->state().watches == 1; }));
    std::string figures;
    for (const auto& figure : pods_->figures()) {
        figures += figure.name + " " + std::to_string(static_cast<int>(figure.value)) + " ";
    }
    EXPECT_EQ(figures, "connected 1 disconnected_seconds 0 pods 1 lists 1 watches 1 failures 0 ");
}

TEST_F(KubernetesPodsTest, StopsAtOnce) {
    open();
    ASSERT_TRUE(soon_watching());
    const auto began = std::chrono::steady_clock::now();
    pods_.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - began, 1s);
}

TEST_F(KubernetesPodsTest, IsWatchedOnce) {
    open();
    EXPECT_FALSE(pods_->watch([](const PodName&) {}));
}

}  // namespace

}  // namespace fsm::testing
