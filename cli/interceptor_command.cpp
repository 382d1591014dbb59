#include "cli/interceptor_command.h"

#include <algorithm>
#include <array>
#include <iostream>
#include <optional>
#include <string_view>

#include "cli/kubectl.h"
#include "cli/mesh.h"
#include "cli/node_exec.h"
#include "cli/node_output.h"
#include "common/pipe.h"

namespace fsm::cli {

namespace {

// What only the DaemonSet may run: a second daemon, and the removal of the data path.
constexpr std::array kRefused = {"run", "uninstall"};
// Of commands that go on; a value may be part of the word.
constexpr std::array kStreamFlags = {"--watch", "-w", "--follow"};
// The interceptor's flag that ends a command when its standard input ends: without it, a command
// that is silent stays on the node after its user has left.
constexpr const char* kEndWithInput = "--end-with-input";
constexpr std::chrono::hours kNoLimit{24 * 365};

Result<void> check_words(const std::vector<std::string>& words) {
    if (words.empty() || words.front().empty() || words.front().front() == '-') {
        return Error(
            "fsm interceptor: name a command of fsm-interceptor, such as status, pods or counters; "
            "fsm's own flags go before it, the command's after it");
    }
    if (std::find(kRefused.begin(), kRefused.end(), words.front()) != kRefused.end()) {
        return Error("fsm interceptor " + words.front() +
                     ": the interceptor's DaemonSet does this itself; see `fsm install` and `fsm "
                     "uninstall mesh`");
    }
    return {};
}

bool goes_on(const std::vector<std::string>& words) {
    return words.front() == "trace" ||
           std::any_of(words.begin(), words.end(), [](const std::string& word) {
               return std::any_of(kStreamFlags.begin(), kStreamFlags.end(),
                                  [&](const char* flag) { return word.rfind(flag, 0) == 0; });
           });
}

// NAMESPACE/NAME of `--pod`, or of the first argument of `explain`; empty: there is none.
std::string pod_of(const std::vector<std::string>& words) {
    constexpr std::string_view kFlag = "--pod";
    for (std::size_t index = 1; index < words.size(); ++index) {
        const auto& word = words[index];
        std::string value;
        if (word == kFlag && index + 1 < words.size()) {
            value = words[index + 1];
        } else if (word.rfind(std::string(kFlag) + "=", 0) == 0) {
            value = word.substr(kFlag.size() + 1);
        } else if (words.front() == "explain" && word.front() != '-') {
            value = word;
        }
        if (value.find('/') != std::string::npos) {
            return value;
        }
    }
    return "";
}

// A question about a pod is one to its node: the others know nothing of it.
Result<std::vector<std::string>> nodes_of(const Kubectl& kubectl,
                                          const InterceptorOptions& options) {
    const auto asked = pod_of(options.words);
    if (asked.empty() || !options.nodes.empty()) {
        return options.nodes;
    }
    const auto slash = asked.find('/');
    const auto name = asked.substr(slash + 1);
    const auto pod_namespace = asked.substr(0, slash);
    FSM_ASSIGN(const auto pod,
               kubectl.get({"pod", name, "--namespace", pod_namespace, "--ignore-not-found"}));
    if (pod.is_null()) {
        return Error("the cluster has no pod " + asked);
    }
    const auto node = text_at(pod, "spec/nodeName");
    if (node.empty()) {
        return Error("pod " + asked + " is on no node yet (" + text_at(pod, "status/phase") +
                     "): `kubectl describe pod` says why");
    }
    return std::vector<std::string>{node};
}

Result<void> summary(const std::vector<InterceptorPod>& pods,
                     const std::vector<std::optional<Error>>& failures) {
    std::size_t failed = 0;
    for (std::size_t index = 0; index < pods.size(); ++index) {
        if (failures[index]) {
            ++failed;
            std::cerr << "fsm: node " << pods[index].node << ": " << failures[index]->message()
                      << "\n";
        }
    }
    if (failed == 0) {
        return {};
    }
    return Error(std::to_string(failed) + " of " + std::to_string(pods.size()) +
                 (pods.size() == 1 ? " node" : " nodes") + " failed (above)");
}

Result<void> ask_once(const Kubectl& kubectl, const InterceptorOptions& options,
                      const std::vector<InterceptorPod>& pods) {
    std::vector<std::optional<Error>> failures(pods.size());
    std::vector<std::string> answers(pods.size());
    run_bounded(pods.size(), options.at_once, [&](std::size_t index) {
        auto answer = answer_in(kubectl, pods[index], {options.words});
        answers[index] = std::move(answer.output);
        failures[index] = std::move(answer.failure);
    });
    const auto kind = output_kind(options.words);
    std::vector<NodeOutput> texts;
    for (std::size_t index = 0; index < pods.size(); ++index) {
        NodeOutput output{pods[index].node, std::move(answers[index])};
        if (output.text.empty()) {
            continue;
        }
        if (kind == OutputKind::text) {
            texts.push_back(std::move(output));
            continue;
        }
        if (const auto lines = add_node(output); lines) {
            std::cout << *lines;
        } else if (!failures[index]) {
            failures[index] = lines.error();
        }
    }
    std::cout << merge_texts(texts) << std::flush;
    return summary(pods, failures);
}

Result<void> follow(const Kubectl& kubectl, const InterceptorOptions& options,
                    const std::vector<InterceptorPod>& pods) {
    if (pods.size() > options.at_once) {
        return Error("fsm interceptor " + options.words.front() + " would follow " +
                     std::to_string(pods.size()) + " nodes at the same time, and --at-once is " +
                     std::to_string(options.at_once) + ": name nodes with --node, or raise it");
    }
    std::size_t width = 0;
    for (const auto& pod : pods) {
        width = std::max(width, pod.node.size());
    }
    RemoteCall call{{kEndWithInput}, kNoLimit};
    call.words.insert(call.words.end(), options.words.begin(), options.words.end());
    // The pipe's writing end is nowhere but here: when this process ends, however that happens, the
    // streams see the end of their input.
    FSM_ASSIGN(const auto input, Pipe::open());
    LineMerger merger(output_kind(options.words), width);
    std::vector<std::optional<Error>> failures(pods.size());
    run_bounded(pods.size(), pods.size(), [&](std::size_t index) {
        const auto& node = pods[index].node;
        std::string pending;
        const auto outcome =
            stream_in(kubectl, pods[index], call, input.read_end.get(),
                      [&](std::string_view output) { merger.add(node, output, pending); });
        merger.finish(node, pending);
        if (!outcome) {
            failures[index] = outcome.error();
            std::cerr << "fsm: node " + node + ": is not followed any more\n";
        }
    });
    return summary(pods, failures);
}

}  // namespace

Result<void> run_on_nodes(const InterceptorOptions& options) {
    FSM_TRY(check_words(options.words));
    const Kubectl kubectl(options.settings);
    FSM_ASSIGN(const auto mesh, find_mesh(kubectl, options.settings.mesh_name));
    FSM_ASSIGN(const auto nodes, nodes_of(kubectl, options));
    FSM_ASSIGN(const auto pods, find_interceptors(kubectl, mesh, nodes));
    return goes_on(options.words) ? follow(kubectl, options, pods)
                                  : ask_once(kubectl, options, pods);
}

}  // namespace fsm::cli
