#include "interceptor/health/conditions.h"

#include <algorithm>
#include <set>

#include "interceptor/log/log.h"

namespace fsm {

namespace {

constexpr std::chrono::minutes kLogTextAgain{1};

long long seconds(Conditions::Clock::duration time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

}  // namespace

std::string_view to_string(Component component) {
    switch (component) {
        case Component::datapath:
            return "datapath";
        case Component::pod_source:
            return "pod-source";
        case Component::attachments:
            return "attachments";
        case Component::reconciler:
            return "reconciler";
        case Component::installation:
            return "installation";
        case Component::configuration:
            return "configuration";
        case Component::metrics:
            return "metrics";
        case Component::events:
            return "events";
        case Component::node_taint:
            return "node-taint";
    }
    return "?";
}

void Conditions::ask(Component component, Ask ask) {
    asked_.emplace_back(component, std::move(ask));
}

// ---- conditions (lasting) ----------------------------------------------------------------------

void Conditions::set(Component component, const Problem& problem) {
    Notes begun;
    {
        const std::lock_guard guard(mutex_);
        set_locked(component, problem, begun);
    }
    tell(begun);
}

void Conditions::set_locked(Component component, const Problem& problem, Notes& begun) {
    const auto now = now_();
    const Key key{component, problem.key};
    const auto known = lasting_.find(key);
    if (known == lasting_.end()) {
        if (has_room(component)) {
            lasting_[key] = {problem.text, now, now};
            begun.push_back({component, Condition::Kind::lasting, problem, now});
            ++begun_;
        }
        return;
    }
    Lasting& condition = known->second;
    if (condition.text != problem.text && now - condition.logged >= kLogTextAgain) {
        condition.logged = now;
        log::warn("problem component={} {}", to_string(component), problem.text);
    }
    condition.text = problem.text;
}

bool Conditions::has_room(Component component) const {
    const auto of_component =
        std::count_if(lasting_.begin(), lasting_.end(),
                      [&](const auto& entry) { return entry.first.first == component; });
    return static_cast<std::size_t>(of_component) < kMostOfAComponent;
}

void Conditions::clear(Component component, const std::string& key) {
    const std::lock_guard guard(mutex_);
    const auto known = lasting_.find({component, key});
    if (known != lasting_.end()) {
        end_locked(known);
    }
}

void Conditions::end_locked(std::map<Key, Lasting>::iterator condition) {
    log::info("problem component={} is over after {} s: {}", to_string(condition->first.first),
              seconds(now_() - condition->second.since), condition->second.text);
    lasting_.erase(condition);
}

void Conditions::follow(Component component, const std::string& key, const Result<void>& outcome) {
    if (outcome) {
        clear(component, key);
    } else {
        set(component, {key, outcome.error().message()});
    }
}

void Conditions::replace(Component component, std::string_view group,
                         std::vector<Problem> problems) {
    std::set<std::string> keys;
    for (Problem& problem : problems) {
        problem.key.insert(0, group);
        keys.insert(problem.key);
    }
    Notes begun;
    {
        const std::lock_guard guard(mutex_);
        // Conditions that have ended are removed first, to make room for those that begin.
        for (auto entry = lasting_.begin(); entry != lasting_.end();) {
            const auto next = std::next(entry);
            const auto& [of_component, key] = entry->first;
            if (of_component == component && key.starts_with(group) && !keys.contains(key)) {
                end_locked(entry);
            }
            entry = next;
        }
        for (const Problem& problem : problems) {
            set_locked(component, problem, begun);
        }
    }
    tell(begun);
}

// ---- incidents ---------------------------------------------------------------------------------

void Conditions::report(Component component, const std::string& text) {
    Notes begun;
    {
        const std::lock_guard guard(mutex_);
        forget_incidents();
        const auto is_same = [&](const Condition& incident) {
            return incident.component == component && incident.problem.text == text;
        };
        if (std::any_of(incidents_.begin(), incidents_.end(), is_same)) {
            return;
        }
        if (incidents_.size() >= kMostOfAComponent) {
            incidents_.pop_front();
        }
        incidents_.push_back({component, Condition::Kind::incident, {"", text}, now_()});
        begun.push_back(incidents_.back());
        ++begun_;
    }
    tell(begun);
}

void Conditions::forget_incidents() {
    const auto limit = now_() - kIncidentShownFor;
    std::erase_if(incidents_, [&](const Condition& incident) { return incident.since <= limit; });
}

// ---- reading -----------------------------------------------------------------------------------

std::vector<Condition> Conditions::all() {
    {
        const std::lock_guard asking(asking_);
        for (const auto& [component, ask] : asked_) {
            replace(component, "", ask());
        }
    }
    std::vector<Condition> conditions;
    const std::lock_guard guard(mutex_);
    for (const auto& [key, lasting] : lasting_) {
        conditions.push_back(
            {key.first, Condition::Kind::lasting, {key.second, lasting.text}, lasting.since});
    }
    forget_incidents();
    conditions.insert(conditions.end(), incidents_.begin(), incidents_.end());
    std::stable_sort(
        conditions.begin(), conditions.end(), [](const Condition& one, const Condition& other) {
            return std::pair(one.component, one.since) < std::pair(other.component, other.since);
        });
    return conditions;
}

std::uint64_t Conditions::begun() const {
    const std::lock_guard guard(mutex_);
    return begun_;
}

void Conditions::tell(const Notes& begun) const {
    for (const Condition& condition : begun) {
        log::warn("problem component={} {}", to_string(condition.component),
                  condition.problem.text);
        if (listener_) {
            listener_(condition);
        }
    }
}

}  // namespace fsm
