#include "interceptor/sync/chain_use.h"

namespace fsm {

namespace {

// If a pod's plugins were called just before the entry was added, its first process starts after
// it.
constexpr std::chrono::seconds kPodStart{10};

}  // namespace

void ChainUse::entry_present(const std::string& file, Time since) {
    const std::lock_guard guard(mutex_);
    if (file != file_ || since != since_) {
        missed_ = 0;
    }
    file_ = file;
    since_ = since;
}

void ChainUse::entry_removed() {
    const std::lock_guard guard(mutex_);
    file_.clear();
    missed_ = 0;
}

void ChainUse::add_arrived() {
    const std::lock_guard guard(mutex_);
    missed_ = 0;
}

void ChainUse::found_without_add(const PodName& pod, Time started) {
    const std::lock_guard guard(mutex_);
    if (file_.empty() || started < since_ + kPodStart) {
        return;
    }
    last_ = pod;
    ++missed_;
}

std::vector<Problem> ChainUse::problems() const {
    const std::lock_guard guard(mutex_);
    if (missed_ == 0) {
        return {};
    }
    return {
        {"chain use",
         "pods start without a call of the CNI plugin (" + std::to_string(missed_) +
             ", the last one " + last_.to_string() + "), although its entry is in " + file_ +
             ": the container runtime seems to use another configuration. Set cni.configuration "
             "(chart: fsm.cni.configuration) to the file or the network that it uses, or "
             "cni.configDir to its directory. These pods were enrolled after their start"}};
}

}  // namespace fsm
