#include "interceptor/kubernetes/node_taint.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/document/json_map.h"
#include "interceptor/kubernetes/pod_json.h"
#include "interceptor/log/log.h"

namespace fsm {

namespace {

using nlohmann::json;

constexpr std::size_t kNodeLimit = std::size_t{4} << 20;
constexpr int kInvalid = 422;  // a test of the patch fails
constexpr int kConflict = 409;

struct Taints {
    json all = json::array();
    json others = json::array();  // without ours
    std::string removed;          // effects of ours, "NoSchedule, NoExecute"
};

Result<Taints> taints_of(const json& node, const std::string& key) {
    Taints taints;
    JsonReader reader;
    JsonMap spec = JsonMap(node, reader, "").map("spec");
    spec.each_map("taints", [&](JsonMap taint) {
        if (taint.required_text("key") == key) {
            taints.removed += (taints.removed.empty() ? "" : ", ") + taint.text("effect");
        }
    });
    if (reader.error()) {
        return *reader.error();
    }
    if (taints.removed.empty()) {
        return taints;
    }
    taints.all = node.at("spec").at("taints");
    for (const json& taint : taints.all) {
        if (taint.at("key") != key) {
            taints.others.push_back(taint);
        }
    }
    return taints;
}

// The patch applies only to exactly the taints that were read, on exactly that node: another
// program may add or remove one concurrently. It does not test the object's resourceVersion, which
// changes with each heartbeat of the kubelet.
std::string removal_patch(const json& node, const Taints& taints) {
    json patch = json::array();
    const std::string uid = metadata_text(node, "uid");
    if (!uid.empty()) {
        patch.push_back({{"op", "test"}, {"path", "/metadata/uid"}, {"value", uid}});
    }
    patch.push_back({{"op", "test"}, {"path", "/spec/taints"}, {"value", taints.all}});
    patch.push_back({{"op", "replace"}, {"path", "/spec/taints"}, {"value", taints.others}});
    return patch.dump();
}

std::string advice(int status) {
    return status == 401 || status == 403 ? "; the interceptor's service account needs the rights "
                                            "get and patch for nodes"
                                          : "";
}

}  // namespace

NodeTaint::NodeTaint(const ClusterAccess& access, NodeTaintOptions options)
    : options_(std::move(options)),
      path_("/api/v1/nodes/" + encoded(options_.node)),
      client_(access) {}

NodeTaint::~NodeTaint() {
    stop();
}

void NodeTaint::start(std::function<Result<void>()> ready) {
    ready_ = std::move(ready);
    thread_ = std::thread([this] { run(); });
}

void NodeTaint::stop() {
    if (!thread_.joinable()) {
        return;
    }
    {
        const std::lock_guard guard(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    client_.interrupt();
    thread_.join();
}

std::vector<Problem> NodeTaint::problems() const {
    const std::lock_guard guard(mutex_);
    return problem_.empty() ? std::vector<Problem>()
                            : std::vector<Problem>{{options_.key, problem_}};
}

void NodeTaint::run() {
    // The API server's cache is sufficient to notice a returning taint.
    const std::string from_memory = "?resourceVersion=0";
    std::string query;
    Backoff backoff(options_.backoff);
    while (wait_until_ready()) {
        const auto outcome = remove(query);
        publish(outcome);
        query = outcome ? from_memory : "";
        if (outcome) {
            backoff.reset();
        }
        if (!wait(outcome ? options_.look_interval : backoff.next())) {
            return;
        }
    }
}

bool NodeTaint::wait(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return !wake_.wait_for(lock, time, [&] { return stopping_; });
}

bool NodeTaint::wait_until_ready() {
    while (!ready_()) {
        if (!wait(options_.readiness_interval)) {
            return false;
        }
    }
    return true;
}

// Success: the taint does not exist.
Result<void> NodeTaint::remove(const std::string& query) {
    const RequestTimes times{options_.answer_time, options_.answer_time};
    FSM_ASSIGN(const auto found, client_.get(path_ + query, kNodeLimit, times));
    if (found.status != 200) {
        return Error(client_.url() + " answers " + found.describe() + advice(found.status));
    }
    FSM_ASSIGN(const json node, parse_api_json(found.body, JsonForm::object));
    FSM_ASSIGN(const Taints taints, taints_of(node, options_.key));
    seen_gone_ = taints.removed.empty();
    if (seen_gone_) {
        return {};
    }
    FSM_ASSIGN(const auto changed, client_.patch(path_, removal_patch(node, taints), times));
    if (changed.status == kConflict || changed.status == kInvalid) {
        return Error("the node's taints changed at the same time (" + changed.describe() + ")",
                     EAGAIN);
    }
    if (!changed.ok()) {
        return Error(client_.url() + " answers " + changed.describe() + advice(changed.status));
    }
    seen_gone_ = true;
    log::info("pods may start: taint {} ({}) taken off node {}", options_.key, taints.removed,
              options_.node);
    return {};
}

// A concurrent change is retried, and is not a problem. Neither is a failure to read the node
// afterwards: the pod source reports an API server that is out of reach.
void NodeTaint::publish(const Result<void>& outcome) {
    std::string problem;
    if (!outcome && !seen_gone_ && outcome.error().errno_value() != EAGAIN) {
        problem = "take taint " + options_.key + " off node " + options_.node + ": " +
                  outcome.error().message() +
                  "; tried again. Until then no pod starts there that "
                  "does not tolerate it";
    }
    bool is_news = false;
    {
        const std::lock_guard guard(mutex_);
        is_news = !stopping_ && !problem.empty() && problem_.empty();
        problem_ = problem;
    }
    if (is_news) {
        log::warn("{}", problem);
    }
}

}  // namespace fsm
