#include "interceptor/client/status_view.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "common/table.h"

namespace fsm {

namespace {

using nlohmann::json;

// A list of texts; "-" for an empty one.
std::string joined(const json& list, const char* separator) {
    std::string out;
    for (const auto& member : list) {
        out += (out.empty() ? "" : separator) + member.get<std::string>();
    }
    return out.empty() ? "-" : out;
}

// The last column: why the pod is not in the mesh, failures, and problems for its owner.
std::string note_of(const json& pod) {
    auto notes = pod.at("problems");
    for (const auto& note : pod.value("notes", json::array())) {
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

}  // namespace

bool is_degraded(const json& status) {
    return !status.at("problems").empty() || !status.at("attachments").at("problems").empty();
}

std::string status_text(const json& status) {
    const auto text = [](const json& value) { return value.get<std::string>(); };
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
    out += is_degraded(status) ? "problems\n" : "problems      none\n";
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

std::string pods_text(const json& answer, OutputFormat format) {
    const auto none = json::array();
    std::vector<std::vector<std::string>> rows = {
        {"POD", "STATE", "INBOUND", "ACCELERATION", "LISTENERS", "ADDRESSES"}};
    if (format == OutputFormat::wide) {
        rows.front().insert(rows.front().end(), {"INTERFACE", "CONTAINER", "NETNS", "UID"});
    }
    rows.front().emplace_back("NOTE");
    for (const auto& pod : answer.at("pods")) {
        const auto name = pod.at("pod").get<std::string>();
        std::vector<std::string> row = {
            name.empty() ? pod.at("containerID").get<std::string>() : name,
            pod.at("state").get<std::string>(),
            pod.value("inbound", "-"),
            pod.value("acceleration", "-"),
            joined(pod.value("listeners", none), ","),
            joined(pod.value("addresses", none), ",")};
        if (format == OutputFormat::wide) {
            for (const char* key : {"ifname", "containerID", "netns", "uid"}) {
                const auto text = pod.at(key).get<std::string>();
                row.push_back(text.empty() ? "-" : text);
            }
        }
        row.push_back(note_of(pod));
        rows.push_back(std::move(row));
    }
    return format_table(rows);
}

std::string levels_text(const json& answer) {
    std::vector<std::vector<std::string>> rows = {{"MODULE", "LEVEL"}};
    for (const auto& [module, level] : answer.at("levels").items()) {
        rows.push_back({module, level.get<std::string>()});
    }
    return format_table(rows);
}

std::string counters_text(const json& answer) {
    std::string out;
    for (const auto& [name, value] : answer.at("counters").items()) {
        out += name + " " + value.dump() + "\n";
    }
    return out;
}

}  // namespace fsm
