#include "interceptor/api/view_routes.h"

#include <unistd.h>

#include <array>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/version.h"
#include "interceptor/api/cni_routes.h"
#include "interceptor/api/metrics.h"

namespace fsm {

namespace {

using nlohmann::json;

// Passes come every 5 s and a thorough one takes a second with thousands of pods.
constexpr std::chrono::seconds kHungAfter{60};

HttpResponse json_response(const json& document) {
    // Names come from users: invalid UTF-8 must not throw.
    return {200, document.dump(2, ' ', false, json::error_handler_t::replace) + "\n"};
}

HttpResponse failure_response(const Error& error) {
    return error_response(500, CniErrorCode::unavailable, "cannot read the data path",
                          error.message());
}

json addresses_of(const EnrolledPod& enrolled) {
    json addresses = json::array();
    for (const auto& address : enrolled.addresses) {
        addresses.push_back(address.to_string());
    }
    return addresses;
}

// The sidecar's observed listeners, by family.
json listeners_of(const EnrolledPod& enrolled) {
    const SeenListeners& seen = enrolled.listeners;
    const std::array<std::pair<bool, const char*>, 4> listeners = {{{seen.outbound4, "outbound4"},
                                                                    {seen.outbound6, "outbound6"},
                                                                    {seen.inbound4, "inbound4"},
                                                                    {seen.inbound6, "inbound6"}}};
    json names = json::array();
    for (const auto& [is_seen, name] : listeners) {
        if (is_seen) {
            names.push_back(name);
        }
    }
    return names;
}

std::vector<std::string> texts_of(const std::vector<PodProblem>& problems) {
    std::vector<std::string> texts;
    for (const PodProblem& problem : problems) {
        texts.push_back(problem.text);
    }
    return texts;
}

json to_json(const AttachmentState& state) {
    const Attachment& attachment = state.attachment;
    json document = {
        {"pod", attachment.pod.name.empty() ? "" : attachment.pod.to_string()},
        {"uid", attachment.pod_uid},
        {"containerID", attachment.key.container_id},
        {"ifname", attachment.key.ifname},
        {"network", attachment.key.network},
        {"netns", attachment.netns_path},
        {"netnsCookie", attachment.netns_cookie},
        {"foundRunning", attachment.found_running},
        {"state", to_string(state.membership)},
        {"reason", state.reason},
        {"problems", texts_of(state.problems)},
        {"notes", state.notes},
    };
    if (!state.failure.empty()) {
        document["failure"] = state.failure;
    }
    if (state.enrolled) {
        document["addresses"] = addresses_of(*state.enrolled);
        document["inbound"] = to_string(state.enrolled->inbound);
        if (!state.enrolled->inbound_reason.empty()) {
            document["inboundReason"] = state.enrolled->inbound_reason;
        }
        document["acceleration"] = to_string(state.enrolled->acceleration);
        document["listeners"] = listeners_of(*state.enrolled);
    }
    return document;
}

HttpResponse show_pods(const Views& views) {
    // The current state: listeners appear after the pod was enrolled.
    std::map<std::uint64_t, EnrolledPod> held;
    if (auto listed = views.datapath.pods()) {
        for (EnrolledPod& pod : *listed) {
            held.emplace(pod.netns_cookie, std::move(pod));
        }
    }
    json pods = json::array();
    for (auto state : views.enroller.attachments()) {
        const auto now = held.find(state.attachment.netns_cookie);
        if (state.enrolled && now != held.end()) {
            state.enrolled = now->second;
        }
        pods.push_back(to_json(state));
    }
    return json_response({{"pods", pods}});
}

HttpResponse show_programs(const Inspection& datapath) {
    const auto programs = datapath.programs();
    if (!programs) {
        return failure_response(programs.error());
    }
    json list = json::array();
    for (const auto& program : *programs) {
        list.push_back({{"name", program.name},
                        {"hook", program.hook},
                        {"id", program.id},
                        {"attached", program.attached}});
    }
    return json_response({{"programs", list}});
}

HttpResponse show_maps(const Inspection& datapath) {
    const auto maps = datapath.maps();
    if (!maps) {
        return failure_response(maps.error());
    }
    json list = json::array();
    for (const auto& map : *maps) {
        list.push_back({{"name", map.name},
                        {"id", map.id},
                        {"entries", map.entries},
                        {"maxEntries", map.max_entries}});
    }
    return json_response({{"maps", list}});
}

HttpResponse show_counters(const Inspection& datapath) {
    const auto counters = datapath.counters();
    if (!counters) {
        return failure_response(counters.error());
    }
    json values = json::object();
    for (const auto& counter : *counters) {
        values[counter.name] = counter.value;
    }
    return json_response({{"counters", values}});
}

json pod_summary(const std::vector<AttachmentState>& states) {
    std::array<std::size_t, kMemberships.size()> counts{};
    json problems = json::array();
    for (const auto& state : states) {
        ++counts[static_cast<std::size_t>(state.membership)];
        auto list = texts_of(state.problems);
        if (!state.failure.empty()) {
            list.push_back(state.failure);
        }
        for (const auto& problem : list) {
            problems.push_back({{"pod", state.attachment.pod.to_string()}, {"problem", problem}});
        }
    }
    return {{"inMesh", counts[static_cast<std::size_t>(Membership::in_mesh)]},
            {"notInMesh", counts[static_cast<std::size_t>(Membership::not_in_mesh)]},
            {"unknown", counts[static_cast<std::size_t>(Membership::unknown)]},
            {"refused", counts[static_cast<std::size_t>(Membership::refused)]},
            {"withoutSidecar", counts[static_cast<std::size_t>(Membership::sidecarless)]},
            {"problems", problems}};
}

// "2026-11-27T02:40:14Z".
std::string utc_text(Condition::Clock::time_point time) {
    const std::time_t seconds = Condition::Clock::to_time_t(time);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[32];
    std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

json to_json(const Condition& condition) {
    const bool lasts = condition.kind == Condition::Kind::lasting;
    return {{"component", to_string(condition.component)},
            {"kind", lasts ? "lasting" : "incident"},
            {"since", utc_text(condition.since)},
            {"problem", condition.problem.text}};
}

struct NodeProblems {
    json texts = json::array();
    json conditions = json::array();
};

NodeProblems problems_of_node(const Views& views) {
    NodeProblems problems;
    for (const Condition& condition : views.conditions.all()) {
        problems.texts.push_back(condition.problem.text);
        problems.conditions.push_back(to_json(condition));
    }
    return problems;
}

HttpResponse show_status(const Views& views) {
    json capabilities = json::array();
    for (const auto& capability : views.datapath.capabilities()) {
        capabilities.push_back({{"name", capability.name},
                                {"works", capability.works},
                                {"detail", capability.detail}});
    }
    auto problems = problems_of_node(views);
    return json_response({
        {"version", kVersion},
        {"pid", getpid()},
        {"profile", views.profile},
        {"trafficInterceptionMode", views.mode},
        {"podSource", views.source.description()},
        {"inbound", views.inbound},
        {"acceleration", views.acceleration},
        {"automaticAcceleration",
         {{"scope", to_string(views.datapath.automatic_acceleration())},
          {"reason", views.datapath.automatic_acceleration_reason()}}},
        {"capabilities", capabilities},
        {"attachments", pod_summary(views.enroller.attachments())},
        {"problems", std::move(problems.texts)},
        {"conditions", std::move(problems.conditions)},
    });
}

HttpResponse show_health(const Views& views) {
    const auto age = views.reconcile_age();
    if (age > kHungAfter) {
        return error_response(
            503, CniErrorCode::unavailable, "the reconciler does nothing any more",
            "no pass over the attachments has ended for " + std::to_string(age.count() / 1000) +
                " s; the interceptor is to be started again, pods stay as they "
                "are");
    }
    return {200, "ok", "text/plain"};
}

// Beyond what STATUS asks: a source that has not said yet which pods there are, and a runtime that
// does not call the plugin yet, so that pods that start now would go around the mesh.
HttpResponse show_readiness(const Views& views) {
    if (const auto ready = views.source.ready(); !ready) {
        return error_response(503, CniErrorCode::unavailable,
                              "the pods of this node are not known yet", ready.error().message());
    }
    if (const auto installed = views.installed(); !installed) {
        return error_response(503, CniErrorCode::unavailable,
                              "container runtimes do not call the CNI plugin yet",
                              installed.error().message());
    }
    return response_of(views.enroller.status());
}

}  // namespace

Result<void> readiness(const Views& views) {
    const HttpResponse answer = show_readiness(views);
    return answer.status == 200 ? Result<void>() : Result<void>(Error(answer.body));
}

void add_view_routes(HttpRouter& router, const Views& views) {
    router.get("/v1/pods", [views](const std::string&) { return show_pods(views); });
    router.get("/v1/programs",
               [views](const std::string&) { return show_programs(views.datapath); });
    router.get("/v1/maps", [views](const std::string&) { return show_maps(views.datapath); });
    router.get("/v1/counters",
               [views](const std::string&) { return show_counters(views.datapath); });
    router.get("/v1/status", [views](const std::string&) { return show_status(views); });
    router.get("/healthz", [views](const std::string&) { return show_health(views); });
    router.get("/readyz", [views](const std::string&) { return show_readiness(views); });
    add_metrics_route(router, views);
}

void add_metrics_route(HttpRouter& router, const Views& views) {
    router.get("/metrics", [views](const std::string&) {
        return HttpResponse{200, render_metrics(views), "text/plain; version=0.0.4"};
    });
}

}  // namespace fsm
