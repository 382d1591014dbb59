#include "cli/node_exec.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>
#include <utility>

#include "cli/rollout.h"

namespace fsm::cli {

namespace {

constexpr const char* kProgram = "/app/fsm-interceptor";
constexpr const char* kContainer = "interceptor";

std::string trouble_of(const nlohmann::json& pod) {
    if (!text_at(pod, "metadata/deletionTimestamp").empty()) {
        return "its pod " + text_at(pod, "metadata/name") + " is being deleted";
    }
    const nlohmann::json::json_pointer running("/status/containerStatuses/0/state/running");
    return pod.contains(running) ? "" : describe_unready(pod);
}

InterceptorPod described(const nlohmann::json& pod) {
    return {text_at(pod, "spec/nodeName"), text_at(pod, "metadata/namespace"),
            text_at(pod, "metadata/name"), text_at(pod, "spec/containers/0/image"),
            trouble_of(pod)};
}

std::vector<std::string> exec_words(const InterceptorPod& pod, const RemoteCall& call,
                                    std::vector<std::string> options) {
    std::vector<std::string> words = {"exec",   "--namespace", pod.pod_namespace,
                                      pod.name, "--container", kContainer};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {"--", kProgram});
    words.insert(words.end(), call.words.begin(), call.words.end());
    return words;
}

}  // namespace

Result<std::vector<InterceptorPod>> find_interceptors(const Kubectl& kubectl, const Mesh& mesh,
                                                      const std::vector<std::string>& nodes) {
    auto listed = kubectl.list({"pods", "--namespace", mesh.mesh_namespace, "--selector",
                                interceptor_selector(mesh.name)});
    if (!listed) {
        return std::move(listed.error()).within("list the interceptors of mesh " + mesh.name);
    }
    std::map<std::string, InterceptorPod> by_node;
    for (const auto& each : *listed) {
        auto pod = described(each);
        if (pod.node.empty()) {
            pod.node = "(no node yet)";
        }
        const auto [at, is_new] = by_node.emplace(pod.node, pod);
        if (!is_new && !at->second.trouble.empty()) {  // its successor is here already
            at->second = pod;
        }
    }
    std::vector<InterceptorPod> chosen;
    for (const auto& name : nodes) {
        if (by_node.count(name) == 0) {
            return Error("node " + name + " has no interceptor of mesh " + mesh.name +
                         " (`fsm check` says why)");
        }
    }
    for (auto& [node, pod] : by_node) {
        if (nodes.empty() || std::find(nodes.begin(), nodes.end(), node) != nodes.end()) {
            chosen.push_back(std::move(pod));
        }
    }
    if (chosen.empty()) {
        return Error("mesh " + mesh.name + " has no interceptor (`fsm check` says why)");
    }
    return chosen;
}

void run_bounded(std::size_t count, std::size_t at_once,
                 const std::function<void(std::size_t)>& work) {
    std::atomic<std::size_t> next = 0;
    std::vector<std::thread> threads;
    for (std::size_t number = 0; number < std::min(count, at_once); ++number) {
        threads.emplace_back([&] {
            for (std::size_t index = next++; index < count; index = next++) {
                work(index);
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
}

RemoteAnswer answer_in(const Kubectl& kubectl, const InterceptorPod& pod, const RemoteCall& call) {
    if (!pod.trouble.empty()) {
        return {"", Error(pod.trouble)};
    }
    Program program = kubectl.program(exec_words(pod, call, {}));
    program.time_limit = call.time_limit;
    auto outcome = run_program(program);
    RemoteAnswer answer;
    if (auto judged = Kubectl::judge(program, outcome); !judged) {
        answer.failure = std::move(judged.error());
    }
    if (outcome) {
        answer.output = std::move(outcome->output);
    }
    return answer;
}

Result<std::string> run_in(const Kubectl& kubectl, const InterceptorPod& pod,
                           const RemoteCall& call) {
    auto answer = answer_in(kubectl, pod, call);
    if (answer.failure) {
        return std::move(*answer.failure);
    }
    return std::move(answer.output);
}

Result<void> stream_in(const Kubectl& kubectl, const InterceptorPod& pod, const RemoteCall& call,
                       int stdin_fd, const std::function<void(std::string_view)>& on_output) {
    if (!pod.trouble.empty()) {
        return Error(pod.trouble);
    }
    Program program = kubectl.program(exec_words(pod, call, {"--stdin"}));
    program.time_limit = call.time_limit;
    program.input_fd = stdin_fd;
    program.on_output = on_output;
    const auto outcome = run_program(program);
    return Kubectl::judge(program, outcome);
}

}  // namespace fsm::cli
