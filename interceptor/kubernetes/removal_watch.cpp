#include "interceptor/kubernetes/removal_watch.h"

#include <optional>
#include <thread>
#include <utility>

#include "interceptor/kubernetes/node_selection.h"
#include "interceptor/kubernetes/pod_json.h"
#include "interceptor/log/log.h"

namespace fsm {

namespace {

using nlohmann::json;

constexpr std::size_t kObjectLimit = std::size_t{4} << 20;
constexpr std::chrono::milliseconds kAskAgain{250};

enum class Sight : std::uint8_t { unknown, there, going };

Sight sight_of(const json& object) {
    return metadata_text(object, "deletionTimestamp").empty() ? Sight::there : Sight::going;
}

bool is_refusal(int status) {
    return status == 401 || status == 403;
}

Result<json> object_of(const ApiAnswer& answer) {
    if (answer.status != 200) {
        return Error("the API answers " + answer.describe());
    }
    return parse_api_json(answer.body, JsonForm::object);
}

CollectionSettings collection_of(const RemovalWatchOptions& options) {
    CollectionSettings settings = options.collection;
    settings.path = "/apis/apps/v1/namespaces/" + encoded(options.name_space) + "/daemonsets";
    settings.field_selector = "metadata.name=" + options.daemon_set;
    settings.what = "DaemonSet " + options.name_space + "/" + options.daemon_set;
    return settings;
}

}  // namespace

class RemovalWatch::Implementation final : public CollectionHandler {
  public:
    Implementation(const ClusterAccess& access, RemovalWatchOptions options)
        : options_(std::move(options)),
          watching_(access, options_.ask_time),
          asking_(access, options_.ask_time),
          watch_(collection_of(options_), watching_, *this) {}

    StopReason stop_reason();
    CollectionState state() const { return watch_.state(); }

  private:
    // For a list that does not contain it.
    void list_began() override { listed_ = Sight::going; }
    void listed(const json& object) override { listed_ = sight_of(object); }
    void list_ended() override { see(listed_); }
    void changed(const json& object) override { see(sight_of(object)); }
    void removed(const json&) override { see(Sight::going); }

    void see(Sight sight) {
        const std::lock_guard guard(mutex_);
        seen_ = sight;
    }
    Sight seen() const {
        const std::lock_guard guard(mutex_);
        return seen_;
    }
    Result<ApiAnswer> ask_for(const std::string& path);
    Result<ApiAnswer> ask();
    bool is_removal(const Result<ApiAnswer>& answer, const Result<json>& daemon_set) const;
    bool judge_refusal(int status) const;
    bool is_deselection(const json& daemon_set);
    Result<bool> node_is_selected(const json& daemon_set);

    const RemovalWatchOptions options_;
    ApiClient watching_;  // used by the watch only: its destructor interrupts it
    ApiClient asking_;
    Sight listed_ = Sight::unknown;  // used by the watch's thread only
    mutable std::mutex mutex_;
    Sight seen_ = Sight::unknown;
    CollectionWatch watch_;  // last: it calls the others
};

Result<ApiAnswer> RemovalWatch::Implementation::ask_for(const std::string& path) {
    return asking_.get(path, kObjectLimit, {options_.ask_time, options_.ask_time});
}

// About the DaemonSet.
Result<ApiAnswer> RemovalWatch::Implementation::ask() {
    const std::string path = "/apis/apps/v1/namespaces/" + encoded(options_.name_space) +
                             "/daemonsets/" + encoded(options_.daemon_set);
    const auto until = std::chrono::steady_clock::now() + options_.refusal_time;
    auto answer = ask_for(path);
    while (answer && is_refusal(answer->status) && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(kAskAgain);
        answer = ask_for(path);
    }
    return answer;
}

StopReason RemovalWatch::Implementation::stop_reason() {
    const auto answer = ask();
    const auto daemon_set = answer ? object_of(*answer) : Result<json>(answer.error());
    if (is_removal(answer, daemon_set)) {
        return StopReason::removal;
    }
    return daemon_set && is_deselection(*daemon_set) ? StopReason::deselection
                                                     : StopReason::replacement;
}

bool RemovalWatch::Implementation::is_removal(const Result<ApiAnswer>& answer,
                                              const Result<json>& daemon_set) const {
    if (answer && answer->is_not_found()) {
        return true;
    }
    if (answer && is_refusal(answer->status)) {
        return judge_refusal(answer->status);
    }
    return (daemon_set ? sight_of(*daemon_set) : seen()) == Sight::going;
}

bool RemovalWatch::Implementation::is_deselection(const json& daemon_set) {
    if (options_.node.empty()) {
        return false;
    }
    const auto selected = node_is_selected(daemon_set);
    if (!selected) {
        log::warn(
            "whether the DaemonSet still wants a pod on node {} is not known: {}; everything "
            "stays in place",
            options_.node, selected.error().message());
    }
    return selected && !*selected;
}

Result<bool> RemovalWatch::Implementation::node_is_selected(const json& daemon_set) {
    FSM_ASSIGN(const auto answer, ask_for("/api/v1/nodes/" + encoded(options_.node)));
    FSM_ASSIGN(const json node, object_of(answer));
    return selects_node(daemon_set, node);
}

// The service account and its rights are deleted together with the DaemonSet. For this pod alone,
// they also end when the pod is deleted by force: a watch that is still connected and sees the
// DaemonSet distinguishes the two.
bool RemovalWatch::Implementation::judge_refusal(int status) const {
    const bool was_authorised = state().listed;
    const bool still_seen = state().connected && seen() == Sight::there;
    log::info("the API answers {} about the own DaemonSet; authorised before: {}, still seen: {}",
              status, was_authorised, still_seen);
    return was_authorised && !still_seen;
}

RemovalWatch::RemovalWatch(const ClusterAccess& access, RemovalWatchOptions options)
    : implementation_(std::make_unique<Implementation>(access, std::move(options))) {}

RemovalWatch::~RemovalWatch() = default;

StopReason RemovalWatch::stop_reason() {
    return implementation_->stop_reason();
}

CollectionState RemovalWatch::state() const {
    return implementation_->state();
}

}  // namespace fsm
