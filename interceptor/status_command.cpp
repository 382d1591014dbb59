#include "interceptor/status_command.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <vector>

#include "common/http/unix_client.h"
#include "common/table.h"

namespace fsm {

namespace {

constexpr std::chrono::seconds kTimeLimit{5};
constexpr std::size_t kResponseLimit = std::size_t{64} << 20;
constexpr int kSuccess = 200;

Result<http::Response> ask(const std::string& socket, const std::string& path) {
    http::Request request;
    request.method = "GET";
    request.target = path;
    request.agent = "fsm-interceptor";
    request.max_response = kResponseLimit;
    auto response = http::exchange(socket, request, std::chrono::steady_clock::now() + kTimeLimit);
    if (!response) {
        return std::move(response.error()).within("ask the interceptor on " + socket);
    }
    return response;
}

// {"code","msg","details"}, as one sentence.
std::string reason_of(const std::string& body) {
    const auto error = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (!error.is_object() || !error.contains("msg")) {
        return body;
    }
    const auto text = [&](const char* key) {
        const auto member = error.find(key);
        return member != error.end() && member->is_string() ? member->get<std::string>() : "";
    };
    return text("msg") + ": " + text("details");
}

std::string describe_status(const nlohmann::json& status) {
    const auto text = [](const nlohmann::json& value) { return value.get<std::string>(); };
    std::string out;
    out +=
        "version       " + text(status.at("version")) + " (pid " + status.at("pid").dump() + ")\n";
    out += "mode          " + text(status.at("trafficInterceptionMode")) + "\n";
    out += "profile       " + text(status.at("profile")) + "\n";
    out += "pods from     " + text(status.at("podSource")) + "\n";
    out += "inbound       " + text(status.at("inbound")) + "\n";
    const auto& automatic = status.at("automaticAcceleration");
    out += "acceleration  " + text(status.at("acceleration")) + " (auto is " +
           text(automatic.at("scope")) + ": " + text(automatic.at("reason")) + ")\n";
    const auto& attachments = status.at("attachments");
    out += "attachments   " + attachments.at("inMesh").dump() + " in the mesh, " +
           attachments.at("notInMesh").dump() + " outside, " + attachments.at("unknown").dump() +
           " of unknown pods, " + attachments.at("refused").dump() + " refused, " +
           attachments.at("withoutSidecar").dump() + " in the mesh without a sidecar\n";
    out += "kernel\n";
    for (const auto& capability : status.at("capabilities")) {
        out += std::string("  ") + (capability.at("works").get<bool>() ? "yes  " : "no   ") +
               text(capability.at("name")) + ": " + text(capability.at("detail")) + "\n";
    }
    const bool healthy = status.at("problems").empty() && attachments.at("problems").empty();
    out += healthy ? "problems      none\n" : "problems\n";
    for (const auto& condition : status.at("conditions")) {
        const bool lasts = text(condition.at("kind")) == "lasting";
        out += "  " + text(condition.at("component")) + (lasts ? ", since " : ", once, at ") +
               text(condition.at("since")) + ": " + text(condition.at("problem")) + "\n";
    }
    for (const auto& problem : attachments.at("problems")) {
        out += "  pod " + text(problem.at("pod")) + ": " + text(problem.at("problem")) + "\n";
    }
    return out;
}

// A list of texts; "-" for an empty one.
std::string joined(const nlohmann::json& list, const char* separator) {
    std::string out;
    for (const auto& member : list) {
        out += (out.empty() ? "" : separator) + member.get<std::string>();
    }
    return out.empty() ? "-" : out;
}

// The last column: why the pod is not in the mesh, failures, and problems for its owner.
std::string note_of(const nlohmann::json& pod) {
    auto notes = pod.at("problems");
    for (const auto& note : pod.value("notes", nlohmann::json::array())) {
        notes.push_back(note);
    }
    for (const char* key : {"failure", "reason"}) {
        if (const auto text = pod.value(key, ""); !text.empty()) {
            notes.insert(notes.begin(), text);
        }
    }
    if (const auto why = pod.value("inboundReason", ""); !why.empty()) {
        notes.push_back("inbound not by sk_lookup: " + why);
    }
    return joined(notes, "; ");
}

std::string describe_pods_of(const nlohmann::json& answer) {
    const auto none = nlohmann::json::array();
    std::vector<std::vector<std::string>> rows = {
        {"POD", "STATE", "INBOUND", "ACCELERATION", "LISTENERS", "ADDRESSES", "NOTE"}};
    for (const auto& pod : answer.at("pods")) {
        const auto name = pod.at("pod").get<std::string>();
        rows.push_back({name.empty() ? pod.at("containerID").get<std::string>() : name,
                        pod.at("state").get<std::string>(), pod.value("inbound", "-"),
                        pod.value("acceleration", "-"), joined(pod.value("listeners", none), ","),
                        joined(pod.value("addresses", none), ","), note_of(pod)});
    }
    return format_table(rows);
}

std::string describe_counters_of(const nlohmann::json& answer) {
    std::string out;
    for (const auto& [name, value] : answer.at("counters").items()) {
        out += name + " " + value.dump() + "\n";
    }
    return out;
}

// The answer of the interceptor to GET `path`, formatted for users.
Result<std::string> describe_answer(const std::string& socket, const std::string& path,
                                    std::string (*formatter)(const nlohmann::json&)) {
    FSM_ASSIGN(const auto answer, ask(socket, path));
    if (answer.status != kSuccess) {
        return Error("the interceptor on " + socket + " says " + reason_of(answer.body));
    }
    try {
        return formatter(nlohmann::json::parse(answer.body));
    } catch (const nlohmann::json::exception& failure) {
        return Error("unexpected answer on " + socket + ": " + failure.what());
    }
}

}  // namespace

Result<std::string> describe_running(const std::string& socket) {
    return describe_answer(socket, "/v1/status", describe_status);
}

Result<std::string> describe_pods(const std::string& socket) {
    return describe_answer(socket, "/v1/pods", describe_pods_of);
}

Result<std::string> describe_counters(const std::string& socket) {
    return describe_answer(socket, "/v1/counters", describe_counters_of);
}

Result<std::string> query(const std::string& socket, const std::string& path) {
    FSM_ASSIGN(auto answer, ask(socket, path));
    if (answer.status != kSuccess) {
        return Error("the interceptor on " + socket + " says to " + path + ": " +
                     reason_of(answer.body));
    }
    return std::move(answer.body);
}

Result<void> probe_running(const std::string& socket, const std::string& path) {
    FSM_ASSIGN(const auto answer, ask(socket, path));
    if (answer.status != kSuccess) {
        return Error("the interceptor on " + socket + " says " + reason_of(answer.body));
    }
    return {};
}

}  // namespace fsm
