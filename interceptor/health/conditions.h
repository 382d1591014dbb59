// Conditions: every current problem of this node. The one collection behind the problems in the
// status, `fsm_problems` in the metrics, the log and the events.
//
// A condition has a key and lasts: its component sets it whenever it detects it, and clears it when
// the cause is gone. A single event without an end (a garbled file that was removed) is an
// incident: it is shown for an hour and then forgotten. Problems of one pod are not conditions;
// they are kept with the pod's attachment.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/problem.h"
#include "common/result.h"

namespace fsm {

enum class Component : std::uint8_t {
    datapath,       // of the whole node: STATUS and readyz fail as well
    pod_source,     // manifests, the API server
    attachments,    // files of attachments, deletion notes
    reconciler,     // passes over the attachments
    installation,   // the plugin's binary and its entry in the runtime's chain
    configuration,  // the file, as it is on disk now
    metrics,        // the endpoint by TCP
    events,         // events on pods
    node_taint,     // the taint that is removed when the node is ready
};

inline constexpr std::array kComponents = {
    Component::datapath,   Component::pod_source,   Component::attachments,
    Component::reconciler, Component::installation, Component::configuration,
    Component::metrics,    Component::events,       Component::node_taint,
};

std::string_view to_string(Component component);

struct Condition {
    using Clock = std::chrono::system_clock;
    enum class Kind : std::uint8_t { lasting, incident };

    Component component = Component::datapath;
    Kind kind = Kind::lasting;
    Problem problem;
    Clock::time_point since;
};

// Threads: every function may be called from any thread, except the three that set the object up.
class Conditions {
  public:
    using Clock = Condition::Clock;
    using Ask = std::function<std::vector<Problem>()>;
    using Listener = std::function<void(const Condition&)>;

    // The limit per component. Further problems are neither kept nor logged: 64 are enough for a
    // reader.
    static constexpr std::size_t kMostOfAComponent = 64;
    static constexpr std::chrono::hours kIncidentShownFor{1};

    explicit Conditions(std::function<Clock::time_point()> now = Clock::now)
        : now_(std::move(now)) {}
    Conditions(const Conditions&) = delete;
    Conditions& operator=(const Conditions&) = delete;

    // `ask` returns the component's current problems; all() calls it. It must not call back, and
    // what it refers to must outlive this object. Call before other threads use this object.
    void ask(Component component, Ask ask);
    // Called for each condition that begins. Set before other threads use this object.
    void listen(Listener listener) { listener_ = std::move(listener); }

    // Begins or continues a condition. Its beginning and its end are logged; while it lasts, a
    // changed text is logged once a minute at most.
    void set(Component component, const Problem& problem);
    void clear(Component component, const std::string& key);
    // set() if `outcome` is an error, otherwise clear().
    void follow(Component component, const std::string& key, const Result<void>& outcome);
    // Sets these, and clears all others whose key begins with `group`; "" is the whole component.
    void replace(Component component, std::string_view group, std::vector<Problem> problems);
    // Adds an incident. While one with the same text is shown, a repetition is neither logged nor
    // kept.
    void report(Component component, const std::string& text);

    // Queries the components, and returns all current problems: by component, the oldest first.
    std::vector<Condition> all();
    // How often a condition has begun or an incident has happened since the start.
    std::uint64_t begun() const;

  private:
    struct Lasting {
        std::string text;
        Clock::time_point since;
        Clock::time_point logged;
    };
    using Key = std::pair<Component, std::string>;
    using Notes = std::vector<Condition>;

    // With the lock held; conditions to report are added to `begun`.
    void set_locked(Component component, const Problem& problem, Notes& begun);
    void end_locked(std::map<Key, Lasting>::iterator condition);
    bool has_room(Component component) const;
    void forget_incidents();
    void tell(const Notes& begun) const;

    const std::function<Clock::time_point()> now_;
    std::vector<std::pair<Component, Ask>> asked_;
    Listener listener_;
    std::mutex asking_;  // locked before mutex_: no older answer replaces a newer one
    mutable std::mutex mutex_;
    std::map<Key, Lasting> lasting_;
    std::deque<Condition> incidents_;  // oldest first
    std::uint64_t begun_ = 0;
};

}  // namespace fsm
