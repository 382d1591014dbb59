#include "cli/rollout.h"

#include <iostream>
#include <thread>

#include "cli/duration.h"
#include "cli/mesh.h"

namespace fsm::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPause{500};

// A snapshot: a sentence for the user, and whether the wait is over.
struct Look {
    std::string words;
    bool done = false;
};

template <typename Looking>
Result<void> wait(std::chrono::seconds limit, const Looking& look) {
    const auto deadline = Clock::now() + limit;
    std::string said;
    for (;;) {
        const Result<Look> seen = look();
        const auto words = seen ? seen->words : "no answer: " + seen.error().message();
        if (words != said) {
            std::cout << words << "\n" << std::flush;
            said = words;
        }
        if (seen && seen->done) {
            return {};
        }
        if (Clock::now() >= deadline) {
            return Error("not done after " + to_text(limit) + " (--timeout): " + words);
        }
        std::this_thread::sleep_for(kPause);
    }
}

Result<std::vector<nlohmann::json>> pods_of(const Kubectl& kubectl, const Awaited& awaited) {
    return kubectl.list({"pods", "--namespace", awaited.mesh_namespace, "--selector",
                         interceptor_selector(awaited.mesh_name)});
}

Result<Look> rollout_progress(const Kubectl& kubectl, const Awaited& awaited) {
    FSM_ASSIGN(const auto set, kubectl.get({"daemonsets.apps", kInterceptor, "--namespace",
                                            awaited.mesh_namespace}));
    if (number_at(set, "status/observedGeneration") < number_at(set, "metadata/generation")) {
        return Look{"waiting for the cluster to observe the DaemonSet", false};
    }
    const auto nodes = number_at(set, "status/desiredNumberScheduled");
    const auto updated = number_at(set, "status/updatedNumberScheduled");
    const auto ready = number_at(set, "status/numberReady");
    const auto misplaced = number_at(set, "status/numberMisscheduled");
    const bool done = updated == nodes && ready == nodes && misplaced == 0;
    if (nodes == 0) {
        return Look{
            "the DaemonSet selects no node of the cluster (nodeSelector, "
            "affinity, tolerations)",
            done};
    }
    return Look{"interceptor: " + std::to_string(ready) + " of " + std::to_string(nodes) +
                    " nodes ready" +
                    (updated < nodes ? ", " + std::to_string(updated) + " updated" : ""),
                done};
}

bool is_ready(const nlohmann::json& pod) {
    const nlohmann::json::json_pointer path("/status/containerStatuses/0/ready");
    return pod.contains(path) && pod.at(path) == true;
}

std::string unready_pods(const Kubectl& kubectl, const Awaited& awaited) {
    const auto pods = pods_of(kubectl, awaited);
    std::string text;
    if (pods) {
        for (const auto& pod : *pods) {
            const auto node = text_at(pod, "spec/nodeName");
            text += is_ready(pod) ? ""
                                  : "\n  " + (node.empty() ? "no node yet" : "node " + node) +
                                        ": " + describe_unready(pod);
        }
    }
    return text;
}

Result<Look> removal_progress(const Kubectl& kubectl, const Awaited& awaited) {
    FSM_ASSIGN(const auto pods, pods_of(kubectl, awaited));
    if (pods.empty()) {
        return Look{"no interceptor is left", true};
    }
    std::string nodes;
    for (const auto& pod : pods) {
        nodes += (nodes.empty() ? "" : ", ") + text_at(pod, "spec/nodeName");
    }
    return Look{"waiting for " + std::to_string(pods.size()) +
                    (pods.size() == 1 ? " interceptor" : " interceptors") +
                    " to clean up; nodes: " + nodes,
                false};
}

}  // namespace

std::string describe_unready(const nlohmann::json& pod) {
    std::string text =
        "pod " + text_at(pod, "metadata/name") + " is " + text_at(pod, "status/phase");
    for (const auto* path : {"state/waiting", "state/terminated", "lastState/terminated"}) {
        const auto at = "status/containerStatuses/0/" + std::string(path);
        const auto reason = text_at(pod, at + "/reason");
        const auto message = text_at(pod, at + "/message");
        if (!reason.empty()) {
            text += ", " + reason + (message.empty() ? "" : ": " + message);
        }
    }
    return text;
}

Result<void> wait_for_rollout(const Kubectl& kubectl, const Awaited& awaited) {
    auto outcome = wait(awaited.limit, [&] { return rollout_progress(kubectl, awaited); });
    if (outcome) {
        return {};
    }
    return Error("wait for the interceptors of mesh " + awaited.mesh_name + ": " +
                 outcome.error().message() + unready_pods(kubectl, awaited) +
                 "\n  `kubectl --namespace " + awaited.mesh_namespace +
                 " logs --selector app=" + kInterceptor + "` says more");
}

Result<void> wait_for_removal(const Kubectl& kubectl, const Awaited& awaited) {
    auto outcome = wait(awaited.limit, [&] { return removal_progress(kubectl, awaited); });
    if (outcome) {
        return {};
    }
    return std::move(outcome.error())
        .within("wait for the interceptors of mesh " + awaited.mesh_name + " to remove themselves");
}

}  // namespace fsm::cli
