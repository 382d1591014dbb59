// CollectionWatch: follows the objects of one kind in the Kubernetes API: lists them in pages, then
// watches. A watch that ends or breaks is resumed at its resourceVersion; if that has expired
// (410), or resuming fails several times, all objects are relisted.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "common/result.h"
#include "interceptor/kubernetes/api_client.h"
#include "interceptor/kubernetes/backoff.h"
#include "interceptor/kubernetes/watch_stream.h"

namespace fsm {

// Receives the objects. Called from the watch's thread only; must not throw or block.
class CollectionHandler {
  public:
    virtual ~CollectionHandler() = default;
    // A list begins: objects that listed() does not name before list_ended() no longer exist. After
    // a list that breaks off, list_began() is called again.
    virtual void list_began() = 0;
    virtual void listed(const nlohmann::json& object) = 0;
    virtual void list_ended() = 0;
    virtual void changed(const nlohmann::json& object) = 0;  // including new ones
    virtual void removed(const nlohmann::json& object) = 0;
};

struct CollectionSettings {
    std::string path;            // "/api/v1/pods"
    std::string field_selector;  // "spec.nodeName=n1"; empty: every object
    std::string what;            // "pods", for messages
    unsigned page_objects = 500;
    std::size_t page_bytes = std::size_t{16} << 20;
    std::chrono::seconds watch_time{300};  // how long one watch lasts, half of it to the whole
    std::chrono::milliseconds answer_time{30'000};  // for a page of a list
    BackoffLimits backoff;
};

struct CollectionState {
    bool listed = false;                            // a whole list has been read since the start
    bool connected = false;                         // the last attempt worked
    std::string failure;                            // why it did not; empty before the first one
    std::chrono::steady_clock::time_point since{};  // the beginning of this connection, or failure
    std::uint64_t lists = 0;
    std::uint64_t watches = 0;
    std::uint64_t failures = 0;
};

// Threads: every function may be called from any thread, except the destructor. The client must
// outlive the watch and have no other user, because the destructor interrupts it.
class CollectionWatch {
  public:
    // Starts the thread.
    CollectionWatch(CollectionSettings settings, ApiClient& client, CollectionHandler& handler);
    ~CollectionWatch();
    CollectionWatch(const CollectionWatch&) = delete;
    CollectionWatch& operator=(const CollectionWatch&) = delete;

    CollectionState state() const;
    // Waits for the first list, the first failed attempt, or the time limit.
    void wait_for_first_attempt(std::chrono::milliseconds limit) const;

  private:
    // The outcome of one watch.
    struct WatchEnd {
        std::optional<Error> failure;
        bool place_lost = false;  // all objects must be relisted
        bool reached = false;     // the API answered
        bool lively = false;      // an event arrived, or it lasted
    };

    void run();
    void list_step();
    void watch_step();
    Result<void> list();
    Result<std::string> list_page(const std::string& continue_token, std::string& version);
    std::string list_path(const std::string& continue_token) const;
    WatchEnd watch();
    std::string watch_path();
    bool take_event(const WatchEvent& event, WatchEnd& end);
    void count_watch();
    void set_connected();
    void set_failed(const std::string& failure);
    void pause();

    const CollectionSettings settings_;
    ApiClient& client_;
    CollectionHandler& handler_;

    // Used by the thread only.
    std::string version_;  // where the next watch begins; empty: list first
    unsigned page_objects_;
    unsigned failed_resumes_ = 0;
    Backoff backoff_;
    std::minstd_rand random_;

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    CollectionState state_;
    bool stopping_ = false;
    std::thread thread_;  // last: it uses the others
};

}  // namespace fsm
