#include "interceptor/kubernetes/collection_watch.h"

#include <algorithm>
#include <utility>

#include "common/guarded.h"
#include "interceptor/kubernetes/pod_json.h"
#include "interceptor/log/log.h"

namespace fsm {

namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

// After this many failed resumptions, the resourceVersion itself may be the cause.
constexpr unsigned kMostFailedResumes = 3;
// A watch that ends sooner without an event counts as a failure, so that it is not repeated in a
// tight loop.
constexpr std::chrono::seconds kLeastWatch{1};
// Added to the time after which the server was asked to end a watch.
constexpr std::chrono::seconds kGrace{30};
constexpr int kGone = 410;

}  // namespace

CollectionWatch::CollectionWatch(CollectionSettings settings, ApiClient& client,
                                 CollectionHandler& handler)
    : settings_(std::move(settings)),
      client_(client),
      handler_(handler),
      page_objects_(settings_.page_objects),
      backoff_(settings_.backoff),
      random_(std::random_device{}()),
      thread_([this] { run(); }) {}

CollectionWatch::~CollectionWatch() {
    {
        const std::lock_guard guard(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    client_.interrupt();
    thread_.join();
}

CollectionState CollectionWatch::state() const {
    const std::lock_guard guard(mutex_);
    return state_;
}

void CollectionWatch::wait_for_first_attempt(std::chrono::milliseconds limit) const {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, limit,
                      [&] { return stopping_ || state_.listed || state_.failures != 0; });
}

void CollectionWatch::run() {
    while (true) {
        {
            const std::lock_guard guard(mutex_);
            if (stopping_) {
                return;
            }
        }
        // Memory may contain half of a list then: relist.
        const auto stepped = guarded("follow " + settings_.what,
                                     [&] { version_.empty() ? list_step() : watch_step(); });
        if (!stepped) {
            version_.clear();
            set_failed(stepped.error().message());
            pause();
        }
    }
}

// ---- list
// ----------------------------------------------------------------------------------------

void CollectionWatch::list_step() {
    if (auto listed = list(); !listed) {
        version_.clear();
        set_failed(listed.error().message());
        return pause();
    }
    failed_resumes_ = 0;
    {
        const std::lock_guard guard(mutex_);
        state_.listed = true;
        ++state_.lists;
    }
    set_connected();
}

Result<void> CollectionWatch::list() {
    handler_.list_began();
    std::string continue_token;
    std::string version;
    do {
        auto next = list_page(continue_token, version);
        if (!next && next.error().errno_value() == EFBIG && page_objects_ > 1) {
            page_objects_ = std::max(1U, page_objects_ / 4);
        }
        if (!next) {
            return std::move(next.error()).within("list " + settings_.what);
        }
        if (!continue_token.empty() && *next == continue_token) {
            return Error("list " + settings_.what + ": " + client_.url() +
                             " gives the same page again and again",
                         EBADMSG);
        }
        continue_token = std::move(*next);
    } while (!continue_token.empty());
    handler_.list_ended();
    version_ = std::move(version);
    return {};
}

// Returns the continuation of the list; empty at its end.
Result<std::string> CollectionWatch::list_page(const std::string& continue_token,
                                               std::string& version) {
    FSM_ASSIGN(const auto answer, client_.get(list_path(continue_token), settings_.page_bytes,
                                              {settings_.answer_time, settings_.answer_time * 2}));
    if (answer.status != 200) {
        return Error(client_.url() + " answers " + answer.describe(), EIO);
    }
    auto page = parse_api_json(answer.body, JsonForm::list);
    if (!page) {
        return Error("the answer of " + client_.url() + " " + page.error().message(), EBADMSG);
    }
    version = metadata_text(*page, "resourceVersion");
    const auto items = page->find("items");
    const bool has_items = items != page->end() && (items->is_array() || items->is_null());
    if (version.empty() || !has_items) {
        return Error("the answer of " + client_.url() + " is not a list of the API", EBADMSG);
    }
    for (const json& item : *items) {
        handler_.listed(item);
    }
    return metadata_text(*page, "continue");
}

std::string CollectionWatch::list_path(const std::string& continue_token) const {
    std::string path = settings_.path + "?limit=" + std::to_string(page_objects_);
    if (!settings_.field_selector.empty()) {
        path += "&fieldSelector=" + encoded(settings_.field_selector);
    }
    if (!continue_token.empty()) {
        path += "&continue=" + encoded(continue_token);
    }
    return path;
}

// ---- watch
// ---------------------------------------------------------------------------------------

void CollectionWatch::watch_step() {
    const auto began = Clock::now();
    WatchEnd end = watch();
    end.lively = end.lively || (end.reached && Clock::now() - began >= kLeastWatch);
    if (end.lively) {
        backoff_.reset();
        failed_resumes_ = 0;
    }
    if (end.place_lost) {
        log::info("{}: {} has forgotten where the watch was; listing again", settings_.what,
                  client_.url());
        version_.clear();
        if (!end.lively) {
            pause();  // relist at once the first time, then back off to avoid a loop
        }
        return;
    }
    if (!end.failure && end.lively) {
        return;  // it lasted the requested time
    }
    if (end.failure) {
        set_failed("watch " + settings_.what + ": " + end.failure->message());
    }
    // While the API is out of reach, the resourceVersion is not the cause.
    if (end.reached && ++failed_resumes_ >= kMostFailedResumes) {
        version_.clear();
    }
    pause();
}

CollectionWatch::WatchEnd CollectionWatch::watch() {
    WatchEnd end;
    WatchStream stream;
    const StreamTaker taker{[&] {
                                end.reached = true;
                                count_watch();
                                set_connected();
                            },
                            [&](std::string_view bytes) {
                                bool go_on = true;
                                const auto fed = stream.feed(bytes, [&](const WatchEvent& event) {
                                    return go_on = take_event(event, end);
                                });
                                if (!fed) {
                                    end.failure = fed.error();
                                }
                                return fed && go_on;
                            }};
    const auto answer = client_.stream(watch_path(), settings_.watch_time + kGrace, taker);
    if (!answer) {
        end.failure = answer.error();
    } else if (answer->status == kGone) {
        end.reached = true;
        end.place_lost = true;
    } else if (answer->status != 200) {
        end.reached = true;
        end.failure = Error(client_.url() + " answers " + answer->describe(), EIO);
    } else if (!end.failure && !end.place_lost && stream.is_within_event()) {
        end.failure = Error("the watch broke off within an event", EBADMSG);
    }
    return end;
}

std::string CollectionWatch::watch_path() {
    const auto longest = settings_.watch_time.count();
    std::uniform_int_distribution<std::chrono::seconds::rep> spread(std::max<long>(1, longest / 2),
                                                                    std::max<long>(1, longest));
    std::string path = settings_.path +
                       "?watch=1&allowWatchBookmarks=true&resourceVersion=" + encoded(version_) +
                       "&timeoutSeconds=" + std::to_string(spread(random_));
    if (!settings_.field_selector.empty()) {
        path += "&fieldSelector=" + encoded(settings_.field_selector);
    }
    return path;
}

// False: this watch ends.
bool CollectionWatch::take_event(const WatchEvent& event, WatchEnd& end) {
    switch (event.kind) {
        case WatchEvent::Kind::failed:
            end.place_lost = event.failure_code == kGone;
            if (!end.place_lost) {
                end.failure =
                    Error(client_.url() + " ends the watch: " + std::to_string(event.failure_code) +
                              " " + event.failure_text,
                          EIO);
            }
            return false;
        case WatchEvent::Kind::changed:
            handler_.changed(event.object);
            break;
        case WatchEvent::Kind::removed:
            handler_.removed(event.object);
            break;
        case WatchEvent::Kind::bookmark:
            break;
    }
    version_ = event.version;
    end.lively = true;
    return true;
}

// ---- state
// ---------------------------------------------------------------------------------------

void CollectionWatch::count_watch() {
    const std::lock_guard guard(mutex_);
    ++state_.watches;
}

void CollectionWatch::set_connected() {
    bool is_news = false;
    {
        const std::lock_guard guard(mutex_);
        is_news = !state_.connected;
        if (is_news) {
            state_.connected = true;
            state_.failure.clear();
            state_.since = Clock::now();
        }
    }
    changed_.notify_all();
    if (is_news) {
        log::info("{}: following them at {}", settings_.what, client_.url());
    }
}

void CollectionWatch::set_failed(const std::string& failure) {
    bool is_news = false;
    {
        const std::lock_guard guard(mutex_);
        if (stopping_) {
            return;
        }
        is_news = state_.connected || state_.failure != failure;
        if (state_.connected || state_.failures == 0) {
            state_.since = Clock::now();
        }
        state_.connected = false;
        state_.failure = failure;
        ++state_.failures;
    }
    changed_.notify_all();
    if (is_news) {
        log::warn("{}; trying again", failure);
    }
}

void CollectionWatch::pause() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, backoff_.next(), [&] { return stopping_; });
}

}  // namespace fsm
