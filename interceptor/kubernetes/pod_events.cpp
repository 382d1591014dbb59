#include "interceptor/kubernetes/pod_events.h"

#include <pthread.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/guarded.h"
#include "interceptor/log/log.h"

namespace fsm {

namespace {

using nlohmann::json;

constexpr std::size_t kLongestMessage = 1024;
constexpr std::size_t kLongestPodPart = 200;
constexpr RequestTimes kTimes{std::chrono::seconds(5), std::chrono::seconds(10)};

// FNV-1a: the same for the same text in every process.
std::uint64_t digest(const std::string& text) {
    std::uint64_t hash = 14695981039346656037ULL;
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    }
    return hash;
}

// "web-0.fsm-0011223344556677".
std::string event_name(const PodWarning& warning) {
    char text[17];
    std::snprintf(
        text, sizeof(text), "%016llx",
        static_cast<unsigned long long>(digest(
            warning.uid + "\n" + std::string(to_string(warning.reason)) + "\n" + warning.message)));
    std::string pod = warning.pod.name.substr(0, kLongestPodPart);
    while (!pod.empty() && (pod.back() == '.' || pod.back() == '-')) {
        pod.pop_back();
    }
    return pod + ".fsm-" + text;
}

// Never cuts a UTF-8 character.
std::string shortened(const std::string& text) {
    if (text.size() <= kLongestMessage) {
        return text;
    }
    std::size_t end = kLongestMessage - 3;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) {
        --end;
    }
    return text.substr(0, end) + "...";
}

std::string now_text() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    char text[32];
    std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

std::string event_text(const PodWarning& warning, const std::string& since,
                       const std::string& host) {
    json involved = {{"apiVersion", "v1"},
                     {"kind", "Pod"},
                     {"namespace", warning.pod.pod_namespace},
                     {"name", warning.pod.name}};
    if (!warning.uid.empty()) {
        involved["uid"] = warning.uid;
    }
    const json event = {
        {"apiVersion", "v1"},
        {"kind", "Event"},
        {"metadata", {{"name", event_name(warning)}, {"namespace", warning.pod.pod_namespace}}},
        {"involvedObject", involved},
        {"type", "Warning"},
        {"reason", to_string(warning.reason)},
        {"message", shortened(warning.message)},
        {"source", {{"component", "fsm-interceptor"}, {"host", host}}},
        {"reportingComponent", "fsm-interceptor"},
        {"reportingInstance", host},
        {"firstTimestamp", since},
        {"lastTimestamp", since},
        {"count", 1},
    };
    return event.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

PodEvents::PodEvents(const ClusterAccess& access, PodEventsOptions options)
    : options_(std::move(options)),
      client_(access),
      turns_(options_.burst),
      backoff_(options_.backoff),
      thread_([this] { run(); }) {}

PodEvents::~PodEvents() {
    {
        const std::lock_guard guard(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    client_.interrupt();
    thread_.join();
}

// ---- what is to be written ---------------------------------------------------------------------

void PodEvents::warn(const PodWarning& warning) {
    Waiting candidate{
        warning,
        warning.pod.to_string() + " " + warning.uid + " " + std::string(to_string(warning.reason)),
        event_name(warning), now_text()};
    {
        const std::lock_guard guard(mutex_);
        forget_old();
        if (is_known(candidate) || coalesce(candidate)) {
            return;
        }
        if (waiting_.size() >= options_.max_waiting) {
            drop(waiting_.front().warning.pod, "too many are waiting");
            waiting_.pop_front();
        }
        waiting_.push_back(std::move(candidate));
    }
    wake_.notify_all();
}

bool PodEvents::is_known(const Waiting& candidate) const {
    const auto settled = settled_.find(candidate.subject);
    const auto is_same = [&](const Waiting& other) { return other.event == candidate.event; };
    return (settled != settled_.end() && settled->second.contains(candidate.event)) ||
           (at_work_ && is_same(*at_work_)) ||
           std::any_of(waiting_.begin(), waiting_.end(), is_same);
}

// A refusal repeats with every attempt to start the pod, and its text may change: a newer text
// replaces a waiting one. True: there is nothing more to do.
bool PodEvents::coalesce(Waiting& candidate) {
    const auto is_of_subject = [&](const Waiting& other) {
        return other.subject == candidate.subject;
    };
    const auto settled = settled_.find(candidate.subject);
    std::size_t count = settled == settled_.end() ? 0 : settled->second.size();
    count += at_work_ && is_of_subject(*at_work_) ? 1 : 0;
    count +=
        static_cast<std::size_t>(std::count_if(waiting_.begin(), waiting_.end(), is_of_subject));
    if (count < options_.max_of_a_reason) {
        return false;
    }
    const auto oldest = std::find_if(waiting_.begin(), waiting_.end(), is_of_subject);
    if (oldest != waiting_.end()) {
        *oldest = std::move(candidate);
    }
    return true;
}

// Drops expired entries, and all if there are still too many: they may then be written again.
void PodEvents::forget_old() {
    const auto now = Clock::now();
    for (auto& [subject, settled] : settled_) {
        std::erase_if(settled, [&](const auto& entry) { return entry.second < now; });
    }
    std::erase_if(settled_, [](const auto& entry) { return entry.second.empty(); });
    if (settled_.size() >= options_.max_remembered) {
        settled_.clear();  // a duplicate has the same name and is coalesced by the API
    }
}

std::size_t PodEvents::waiting() const {
    const std::lock_guard guard(mutex_);
    return waiting_.size() + (at_work_ ? 1 : 0);
}

std::uint64_t PodEvents::dropped() const {
    const std::lock_guard guard(mutex_);
    return dropped_;
}

// A refusal ends when another event is written, or after an hour without one.
std::vector<Problem> PodEvents::problems() const {
    const std::lock_guard guard(mutex_);
    const bool is_waiting = !waiting_.empty() || at_work_;
    if (failure_.empty() || (!is_waiting && Clock::now() - failed_at_ > options_.forget_after)) {
        return {};
    }
    return {{"write", "warnings about pods cannot be written as events: " + failure_ +
                          "; waiting ones are retried. Without events, pods' owners do not see "
                          "their problems, which are also in `fsm-interceptor pods`"}};
}

// ---- the thread --------------------------------------------------------------------------------

void PodEvents::run() {
    pthread_setname_np(pthread_self(), "fsm-events");
    Waiting next;
    while (take(next)) {
        wait_for_turn();
        auto outcome = Outcome::refused;
        const auto attempted = guarded("write an event", [&] { outcome = attempt(next); });
        if (!attempted) {
            note_failure(attempted.error().message());
        }
        conclude(next, outcome);
        if (outcome == Outcome::unreachable || outcome == Outcome::not_now) {
            wait(backoff_.next());
        } else {
            backoff_.reset();
        }
    }
}

bool PodEvents::take(Waiting& next) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
    if (stopping_) {
        return false;
    }
    at_work_ = std::move(waiting_.front());
    waiting_.pop_front();
    next = *at_work_;
    return true;
}

// False: the thread ends.
bool PodEvents::wait(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return !wake_.wait_for(lock, time, [&] { return stopping_; });
}

void PodEvents::wait_for_turn() {
    const auto now = Clock::now();
    const std::chrono::duration<double> interval = options_.interval;
    turns_ = std::min<double>(options_.burst, turns_ + (now - turns_at_) / interval);
    turns_at_ = now;
    turns_ -= 1;
    if (turns_ < 0) {
        wait(std::chrono::duration_cast<std::chrono::milliseconds>(-turns_ * interval));
    }
}

PodEvents::Outcome PodEvents::attempt(const Waiting& next) {
    const auto answer =
        client_.post("/api/v1/namespaces/" + encoded(next.warning.pod.pod_namespace) + "/events",
                     event_text(next.warning, next.since, options_.host), kTimes);
    if (!answer) {
        note_failure(answer.error().message());
        return Outcome::unreachable;
    }
    // 409: an equal event exists.
    if (answer->ok() || answer->status == 409) {
        note_failure("");
        return Outcome::written;
    }
    // 404: the pod's namespace was deleted.
    if (answer->status != 404) {
        note_failure("the API answers " + answer->describe());
    }
    const bool later = answer->status == 429 || answer->status >= 500 || answer->status == 401;
    return later ? Outcome::not_now : Outcome::refused;
}

void PodEvents::note_failure(const std::string& why) {
    const std::lock_guard guard(mutex_);
    failure_ = why;
    failed_at_ = Clock::now();
}

void PodEvents::conclude(const Waiting& done, Outcome outcome) {
    const std::lock_guard guard(mutex_);
    at_work_.reset();
    switch (outcome) {
        case Outcome::written:
            settled_[done.subject][done.event] = Clock::now() + options_.forget_after;
            return;
        case Outcome::refused:
            settled_[done.subject][done.event] = Clock::now() + options_.refused_for;
            drop(done.warning.pod, failure_);
            return;
        case Outcome::unreachable:
        case Outcome::not_now:
            put_back(done, outcome);
            return;
    }
}

// One rejected event must not block the others.
void PodEvents::put_back(const Waiting& unwritten, Outcome outcome) {
    if (waiting_.size() >= options_.max_waiting) {
        drop(unwritten.warning.pod, "too many are waiting");
    } else if (outcome == Outcome::not_now) {
        waiting_.push_back(unwritten);
    } else {
        waiting_.push_front(unwritten);
    }
}

void PodEvents::drop(const PodName& pod, const std::string& why) {
    ++dropped_;
    // The first ones are representative.
    if (dropped_ <= 3) {
        log::warn(log::Pod{pod.to_string()},
                  "a warning about the pod was not written as an event: {}", why);
    }
}

}  // namespace fsm
