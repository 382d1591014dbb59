#include "interceptor/sync/pod_lookup.h"

#include <algorithm>

namespace fsm {

namespace {

constexpr std::chrono::milliseconds kFirstPause{10};
constexpr std::chrono::milliseconds kLongestPause{200};

// An earlier pod of that name, or a later one.
bool is_another(const FoundPod& found, const cni::PodReference& reference) {
    return found && !reference.uid.empty() && !found->uid.empty() && found->uid != reference.uid;
}

}  // namespace

std::string pod_name_of(const cni::PodReference& reference) {
    return reference.pod_namespace.empty() ? reference.name
                                           : reference.pod_namespace + "/" + reference.name;
}

Result<FoundPod> PodLookup::find_by_name_alone(const std::string& name) const {
    FSM_ASSIGN(auto in_default, source_.find({"default", name}));
    if (in_default) {
        return in_default;
    }
    FSM_ASSIGN(const auto pods, source_.list());
    FoundPod found;
    for (const Pod& pod : pods) {
        if (pod.name.name != name) {
            continue;
        }
        if (found) {
            return Error("the runtime names the pod " + name +
                         " without a namespace, and there is " + found->name.to_string() +
                         " as well as " + pod.name.to_string());
        }
        found = pod;
    }
    if (found) {
        return found;
    }
    return source_.find({name, name});  // a sandbox name that a manifest lists
}

Result<FoundPod> PodLookup::find(const cni::PodReference& reference) const {
    if (reference.pod_namespace.empty()) {
        return find_by_name_alone(reference.name);
    }
    const PodName name{reference.pod_namespace, reference.name};
    FSM_ASSIGN(auto found, source_.find(name));
    if (is_another(found, reference)) {
        FSM_ASSIGN(found, source_.find_current(name));
    }
    if (is_another(found, reference)) {
        return Error("the pod source still has the pod with uid " + found->uid +
                     ", the runtime asks for " + reference.uid);
    }
    return found;
}

Result<FoundPod> PodLookup::wait_for(const cni::PodReference& reference,
                                     std::chrono::milliseconds limit) const {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    auto pause = kFirstPause;
    while (true) {
        auto found = find(reference);
        const auto now = std::chrono::steady_clock::now();
        std::unique_lock lock(mutex_);
        if (found || now >= deadline || interrupted_) {
            return found;
        }
        wake_.wait_until(lock, std::min(deadline, now + pause), [&] { return interrupted_; });
        pause = std::min(pause * 2, kLongestPause);
    }
}

void PodLookup::interrupt() {
    {
        const std::lock_guard guard(mutex_);
        interrupted_ = true;
    }
    wake_.notify_all();
}

}  // namespace fsm
