#include "interceptor/kubernetes/kubernetes_pods.h"

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "common/text.h"
#include "interceptor/kubernetes/pod_json.h"
#include "interceptor/kubernetes/pod_query.h"
#include "interceptor/log/log.h"

namespace fsm {

namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

// The limit of problems about invalid pods; the others are one problem.
constexpr std::size_t kMostUnreadable = 32;

CollectionSettings collection_of(const KubernetesPodsOptions& options) {
    CollectionSettings settings = options.collection;
    settings.path = "/api/v1/pods";
    settings.what = options.node.empty() ? "pods of all nodes" : "pods of node " + options.node;
    settings.field_selector = "status.phase!=Succeeded,status.phase!=Failed";
    if (!options.node.empty()) {
        settings.field_selector = "spec.nodeName=" + options.node + "," + settings.field_selector;
    }
    return settings;
}

PodName name_of(const json& object) {
    return {metadata_text(object, "namespace"), metadata_text(object, "name")};
}

double seconds_between(Clock::time_point begin, Clock::time_point end) {
    return std::chrono::duration<double>(end - begin).count();
}

std::string seconds_since(Clock::time_point moment) {
    return std::to_string(
        std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - moment).count());
}

}  // namespace

class KubernetesPods::Implementation final : public CollectionHandler {
  public:
    Implementation(const ClusterAccess& access, KubernetesPodsOptions options);
    ~Implementation() override;
    Implementation(const Implementation&) = delete;
    Implementation& operator=(const Implementation&) = delete;

    std::string description() const;
    std::optional<Pod> in_memory(const PodName& name) const;
    Result<FoundPod> ask_for(const PodName& name) { return query_.ask(name); }
    Result<std::vector<Pod>> list() const;
    Result<void> watch(std::function<void(const PodName&)> changed);
    std::vector<Problem> problems() const;
    Result<void> ready() const;
    std::vector<SourceFigure> figures() const;
    CollectionState state() const;

  private:
    using Pods = std::map<PodName, Pod>;

    void list_began() override;
    void listed(const json& object) override;
    void list_ended() override;
    void changed(const json& object) override;
    void removed(const json& object) override;

    // Converts an object to a pod; an invalid one is recorded as a problem.
    std::optional<Pod> read(const json& object);
    void tell(const std::set<PodName>& names) const;

    const KubernetesPodsOptions options_;
    ApiClient watching_;  // used by the watch only: its destructor interrupts it
    PodQuery query_;
    std::function<void(const PodName&)> changed_;  // set before the watch begins

    Pods coming_;  // the list that is being read; used by the watch's thread only
    std::map<PodName, std::string> coming_unreadable_;
    bool listing_ = false;

    mutable std::mutex mutex_;  // the members below; never held while calling out
    Pods pods_;
    std::map<PodName, std::string> unreadable_;
    bool is_full_ = false;

    std::unique_ptr<CollectionWatch> watch_;  // last: it uses the others
};

KubernetesPods::Implementation::Implementation(const ClusterAccess& access,
                                               KubernetesPodsOptions options)
    : options_(std::move(options)),
      watching_(access, options_.find_time, options_.token_lifetime),
      query_(access, {options_.find_time, options_.token_lifetime, options_.out_of_reach_time}) {}

// Queries for single pods may be running in threads that are being joined.
KubernetesPods::Implementation::~Implementation() {
    watch_.reset();
    query_.interrupt();
}

std::string KubernetesPods::Implementation::description() const {
    return "Kubernetes API " + watching_.url() +
           (options_.node.empty() ? " (pods of all nodes)"
                                  : " (pods of node " + options_.node + ")");
}

// ---- objects from the watch -------------------------------------------------------------------

std::optional<Pod> KubernetesPods::Implementation::read(const json& object) {
    const PodName name = name_of(object);
    auto pod = read_api_pod(object);
    if (pod) {
        if (!listing_) {
            const std::lock_guard guard(mutex_);
            unreadable_.erase(name);
        }
        return std::move(*pod);
    }
    const std::string problem = "pod " + in_quotes(name.to_string()) +
                                " of the Kubernetes API cannot be read: " + pod.error().message();
    log::warn(log::Pod{name.to_string()}, "{}", problem);
    const std::lock_guard guard(mutex_);
    auto& unreadable = listing_ ? coming_unreadable_ : unreadable_;
    if (unreadable.size() < kMostUnreadable) {
        unreadable[name] = problem;
    }
    return std::nullopt;
}

void KubernetesPods::Implementation::list_began() {
    listing_ = true;
    coming_.clear();
    coming_unreadable_.clear();
}

void KubernetesPods::Implementation::listed(const json& object) {
    if (coming_.size() > options_.max_pods) {
        return;
    }
    if (auto pod = read(object)) {
        coming_.insert_or_assign(pod->name, std::move(*pod));
    }
}

void KubernetesPods::Implementation::list_ended() {
    listing_ = false;
    const bool is_full = coming_.size() > options_.max_pods;
    if (is_full) {
        coming_.erase(std::prev(coming_.end()));
    }
    std::set<PodName> news;
    {
        const std::lock_guard guard(mutex_);
        for (auto& [name, pod] : coming_) {
            const auto before = pods_.find(name);
            if (before != pods_.end()) {
                pod.continue_from(before->second);
            }
            if (before == pods_.end() || before->second != pod) {
                news.insert(name);
            }
        }
        for (const auto& [name, pod] : pods_) {
            if (coming_.count(name) == 0) {
                news.insert(name);
            }
        }
        pods_ = std::exchange(coming_, {});
        unreadable_ = std::exchange(coming_unreadable_, {});
        is_full_ = is_full;
    }
    tell(news);
}

void KubernetesPods::Implementation::changed(const json& object) {
    auto pod = read(object);
    if (!pod) {
        return;
    }
    const PodName name = pod->name;
    {
        const std::lock_guard guard(mutex_);
        const auto known = pods_.find(name);
        if (known != pods_.end() && known->second == *pod) {
            return;  // only its status changed
        }
        if (known != pods_.end()) {
            pod->continue_from(known->second);
        }
        if (known == pods_.end() && pods_.size() >= options_.max_pods) {
            is_full_ = true;
        } else {
            pods_.insert_or_assign(name, std::move(*pod));
        }
    }
    tell({name});
}

void KubernetesPods::Implementation::removed(const json& object) {
    const PodName name = name_of(object);
    {
        const std::lock_guard guard(mutex_);
        unreadable_.erase(name);
        pods_.erase(name);
    }
    tell({name});
}

void KubernetesPods::Implementation::tell(const std::set<PodName>& names) const {
    for (const PodName& name : names) {
        changed_(name);
    }
}

// ---- queries ----------------------------------------------------------------------------------

std::optional<Pod> KubernetesPods::Implementation::in_memory(const PodName& name) const {
    const std::lock_guard guard(mutex_);
    const auto found = pods_.find(name);
    return found == pods_.end() ? std::nullopt : std::optional(found->second);
}

Result<std::vector<Pod>> KubernetesPods::Implementation::list() const {
    FSM_TRY(ready());
    std::vector<Pod> all;
    const std::lock_guard guard(mutex_);
    all.reserve(pods_.size());
    for (const auto& [name, pod] : pods_) {
        all.push_back(pod);
    }
    return all;
}

Result<void> KubernetesPods::Implementation::watch(std::function<void(const PodName&)> changed) {
    if (watch_ != nullptr) {
        return Error("watch " + description() + ": it is watched already", EALREADY);
    }
    changed_ = std::move(changed);
    watch_ = std::make_unique<CollectionWatch>(collection_of(options_), watching_, *this);
    watch_->wait_for_first_attempt(options_.first_list_time);
    return {};
}

CollectionState KubernetesPods::Implementation::state() const {
    return watch_ == nullptr ? CollectionState() : watch_->state();
}

Result<void> KubernetesPods::Implementation::ready() const {
    const CollectionState now = state();
    if (now.listed) {
        return {};
    }
    return Error(
        description() + " has not been read yet" + (now.failure.empty() ? "" : ": " + now.failure),
        EAGAIN);
}

std::vector<Problem> KubernetesPods::Implementation::problems() const {
    std::vector<Problem> problems;
    const CollectionState now = state();
    if (!now.connected && now.failures != 0) {
        problems.push_back({"watch", now.failure + "; for " + seconds_since(now.since) +
                                         " s now, and tried again; pods that are known stay as "
                                         "they are"});
    }
    const std::lock_guard guard(mutex_);
    for (const auto& [name, problem] : unreadable_) {
        problems.push_back({"pod " + name.to_string(), problem});
    }
    if (is_full_) {
        problems.push_back({"full", "there are more than " + std::to_string(options_.max_pods) +
                                        " pods; those beyond are asked for one by one, and changes "
                                        "of their annotations are not seen at once"});
    }
    return problems;
}

std::vector<SourceFigure> KubernetesPods::Implementation::figures() const {
    using Kind = SourceFigure::Kind;
    const CollectionState now = state();
    std::size_t known = 0;
    {
        const std::lock_guard guard(mutex_);
        known = pods_.size();
    }
    const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
    return {
        {Kind::level, "connected", "1: the API server answers", now.connected ? 1.0 : 0.0},
        {Kind::level, "disconnected_seconds", "For how long the API server has not answered",
         now.connected || now.failures == 0 ? 0.0 : seconds_between(now.since, Clock::now())},
        {Kind::level, "pods", "Pods in memory", number(known)},
        {Kind::count, "lists", "Times that all pods were listed", number(now.lists)},
        {Kind::count, "watches", "Watches begun", number(now.watches)},
        {Kind::count, "failures", "Lists and watches that failed", number(now.failures)},
    };
}

// ---- the source
// ----------------------------------------------------------------------------------

KubernetesPods::KubernetesPods(const ClusterAccess& access, KubernetesPodsOptions options)
    : implementation_(std::make_unique<Implementation>(access, std::move(options))) {}

KubernetesPods::~KubernetesPods() = default;

std::string KubernetesPods::description() const {
    return implementation_->description();
}

Result<FoundPod> KubernetesPods::find(const PodName& name) const {
    if (auto known = implementation_->in_memory(name)) {
        return FoundPod(std::move(*known));
    }
    return implementation_->ask_for(name);
}

Result<FoundPod> KubernetesPods::find_current(const PodName& name) const {
    return implementation_->ask_for(name);
}

Result<std::vector<Pod>> KubernetesPods::list() const {
    return implementation_->list();
}

Result<void> KubernetesPods::watch(std::function<void(const PodName&)> changed) {
    return implementation_->watch(std::move(changed));
}

std::vector<Problem> KubernetesPods::problems() const {
    return implementation_->problems();
}

Result<void> KubernetesPods::ready() const {
    return implementation_->ready();
}

std::vector<SourceFigure> KubernetesPods::figures() const {
    return implementation_->figures();
}

CollectionState KubernetesPods::state() const {
    return implementation_->state();
}

}  // namespace fsm
