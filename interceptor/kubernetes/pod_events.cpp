#include "interceptor/kubernetes/pod_events.h"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "interceptor/log/log.h"

namespace fsm {

namespace {

using nlohmann::json;

constexpr std::size_t kLongestMessage = 1024;
constexpr std::size_t kLongestPodPart = 200;
constexpr RequestTimes kTimes{std::chrono::seconds(5), std::chrono::seconds(10)};

// Always the same for the same text, in every process: FNV-1a.
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
    std::snprintf(text, sizeof(text), "%016llx",
                  static_cast<unsigned long long>(
                      digest(warning.uid + "\n" + warning.reason + "\n" + warning.message)));
    std::string pod = warning.pod.name.substr(0, kLongestPodPart);
    while (!pod.empty() && (pod.back() == '.' || pod.back() == '-')) {
        pod.pop_back();
    }
    return pod + ".fsm-" + text;
}

// No character is cut in two.
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

std::string event_text(const PodWarning& warning, const std::string& host) {
    const std::string now = now_text();
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
        {"reason", warning.reason},
        {"message", shortened(warning.message)},
        {"source", {{"component", "fsm-interceptor"}, {"host", host}}},
        {"reportingComponent", "fsm-interceptor"},
        {"reportingInstance", host},
        {"firstTimestamp", now},
        {"lastTimestamp", now},
        {"count", 1},
    };
    return event.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

PodEvents::PodEvents(const ClusterAccess& access, PodEventsOptions options)
    : options_(std::move(options)),
      client_(access),
      turns_(options_.burst),
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

void PodEvents::warn(const PodWarning& warning) {
    {
        const std::lock_guard guard(mutex_);
        if (!is_news(warning)) {
            return;
        }
        if (waiting_.size() >= options_.max_waiting) {
            waiting_.pop_front();
            ++dropped_;
        }
        waiting_.push_back(warning);
    }
    wake_.notify_all();
}

// A refusal is repeated with every attempt to start the pod, and its words may change with it.
bool PodEvents::is_news(const PodWarning& warning) {
    forget_old();
    auto& told = told_[warning.pod.to_string() + " " + warning.uid + " " + warning.reason];
    return told.size() < options_.max_of_a_reason &&
           told.emplace(event_name(warning), Clock::now()).second;
}

// What was told longest ago may be told again, or has to give way.
void PodEvents::forget_old() {
    const auto limit = Clock::now() - options_.forget_after;
    for (auto& [subject, told] : told_) {
        std::erase_if(told, [&](const auto& entry) { return entry.second < limit; });
    }
    std::erase_if(told_, [](const auto& entry) { return entry.second.empty(); });
    if (told_.size() >= options_.max_remembered) {
        told_.clear();  // the events' names keep what is told twice together
    }
}

std::uint64_t PodEvents::dropped() const {
    const std::lock_guard guard(mutex_);
    return dropped_;
}

void PodEvents::run() {
    while (true) {
        PodWarning warning;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
            if (stopping_) {
                return;
            }
            warning = std::move(waiting_.front());
            waiting_.pop_front();
        }
        wait_for_turn();
        tell(warning);
    }
}

// False: the events end.
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

void PodEvents::tell(const PodWarning& warning) {
    Backoff backoff(options_.backoff);
    for (unsigned left = options_.attempts; left > 0; --left) {
        if (attempt(warning) != Outcome::try_again) {
            return;
        }
        if (!wait(backoff.next())) {
            return;
        }
    }
    drop("the API did not take it in " + std::to_string(options_.attempts) + " attempts");
}

PodEvents::Outcome PodEvents::attempt(const PodWarning& warning) {
    const auto answer =
        client_.post("/api/v1/namespaces/" + encoded(warning.pod.pod_namespace) + "/events",
                     event_text(warning, options_.host), kTimes);
    if (!answer || answer->status == 429 || answer->status >= 500 || answer->status == 401) {
        return Outcome::try_again;
    }
    // 409: an event of that name says the same.
    if (answer->ok() || answer->status == 409) {
        return Outcome::told;
    }
    drop("the API answers " + answer->describe());
    return Outcome::refused;
}

void PodEvents::drop(const std::string& why) {
    std::uint64_t count = 0;
    {
        const std::lock_guard guard(mutex_);
        count = ++dropped_;
    }
    // The first of them say what there is to say.
    if (count <= 3) {
        log::warn("an event about a pod could not be written: {}", why);
    }
}

}  // namespace fsm
