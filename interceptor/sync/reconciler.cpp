#include "interceptor/sync/reconciler.h"

#include <algorithm>
#include <utility>

namespace fsm {

using Clock = std::chrono::steady_clock;

Reconciler::Reconciler(Enroller& enroller, ReconcilerTiming timing)
    : enroller_(enroller), timing_(timing), last_pass_(Clock::now()), thread_([this] { loop(); }) {}

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

void Reconciler::pass() {
    ++passes_;
    enroller_.consume_deletion_notes();
    enroller_.reconcile(passes_ % timing_.thorough_every == 0 ? ReconcileDepth::everything
                                                              : ReconcileDepth::settings);
    enroller_.enrol_running();
    enroller_.tell_containers();
    last_pass_ = Clock::now();
}

void Reconciler::loop() {
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
        for (const auto& name : changed) {
            enroller_.reconcile_pod(name);
        }
        if (!changed.empty()) {
            enroller_.enrol_running();
            enroller_.tell_containers();
        }
        if (Clock::now() >= next_look) {
            enroller_.look_after_node();
            next_look = Clock::now() + timing_.node_interval;
        }
        if (Clock::now() >= next_pass) {
            pass();
            next_pass = Clock::now() + timing_.interval;
        }
    }
}

}  // namespace fsm
