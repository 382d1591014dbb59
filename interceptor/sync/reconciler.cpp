#include "interceptor/sync/reconciler.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "common/failures.h"
#include "common/guarded.h"

namespace fsm {

using Clock = std::chrono::steady_clock;

namespace {

constexpr const char* kPass = "pass";

}  // namespace

Reconciler::Reconciler(Enroller& enroller, Conditions& conditions, ReconcilerTiming timing)
    : enroller_(enroller),
      conditions_(conditions),
      timing_(timing),
      last_pass_(Clock::now()),
      thread_([this] { loop(); }) {}

Reconciler::~Reconciler() {
    {
        const std::lock_guard guard(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

void Reconciler::pod_changed(const PodName& name) {
    {
        const std::lock_guard guard(mutex_);
        changed_.insert(name);
    }
    wake_.notify_all();
}

std::chrono::milliseconds Reconciler::age() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - last_pass_.load());
}

Result<void> Reconciler::pass() {
    ++passes_;
    const auto depth = passes_ % timing_.thorough_every == 0 ? ReconcileDepth::everything
                                                             : ReconcileDepth::settings;
    Failures failures;
    failures.note(guarded("read deletion notes", [&] { enroller_.consume_deletion_notes(); }));
    failures.note(guarded("look at the attachments", [&] { enroller_.reconcile(depth); }));
    failures.note(guarded("find running pods", [&] { enroller_.enrol_running(); }));
    failures.note(guarded("tell containers apart", [&] { enroller_.update_containers(); }));
    last_pass_ = Clock::now();
    return failures.result();
}

// The next pass retries what fails here, and clears the condition.
void Reconciler::follow_changes(const std::set<PodName>& changed) {
    if (changed.empty()) {
        return;
    }
    const auto followed = guarded("follow changed pods", [&] {
        for (const auto& name : changed) {
            enroller_.reconcile_pod(name);
        }
        enroller_.enrol_running();
        enroller_.update_containers();
    });
    if (!followed) {
        conditions_.follow(Component::reconciler, kPass, followed);
    }
}

void Reconciler::loop() {
    pthread_setname_np(pthread_self(), "fsm-reconciler");
    auto next_pass = Clock::now() + timing_.interval;
    auto next_look = Clock::now() + timing_.node_interval;
    while (true) {
        std::set<PodName> changed;
        {
            std::unique_lock lock(mutex_);
            wake_.wait_until(lock, std::min(next_pass, next_look),
                             [&] { return stopping_ || !changed_.empty(); });
            if (stopping_) {
                return;
            }
            changed = std::exchange(changed_, {});
        }
        follow_changes(changed);
        if (Clock::now() >= next_look) {
            conditions_.follow(
                Component::reconciler, "node",
                guarded("look after the node's programs", [&] { enroller_.check_node(); }));
            next_look = Clock::now() + timing_.node_interval;
        }
        if (Clock::now() >= next_pass) {
            conditions_.follow(Component::reconciler, kPass, pass());
            next_pass = Clock::now() + timing_.interval;
        }
    }
}

}  // namespace fsm
