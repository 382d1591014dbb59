#include "interceptor/api/connection_routes.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <utility>

#include "interceptor/api/cni_routes.h"
#include "interceptor/interception/connections.h"

namespace fsm {

namespace {

using nlohmann::json;

constexpr double kNanoseconds = 1e9;
constexpr int kMilliseconds = 1000;

using PodNames = std::unordered_map<std::uint64_t, std::string>;  // by netns cookie

PodNames names_of(const Enroller& enroller) {
    PodNames names;
    for (const AttachmentState& state : enroller.attachments()) {
        const Attachment& attachment = state.attachment;
        names.emplace(attachment.netns_cookie, attachment.pod.name.empty()
                                                   ? attachment.key.container_id
                                                   : attachment.pod.to_string());
    }
    return names;
}

json to_json(const OpenSocket& socket, const PodNames& names) {
    const auto name = names.find(socket.netns_cookie);
    return {{"pod", name == names.end() ? "" : name->second},
            {"netnsCookie", socket.netns_cookie},
            {"socketCookie", socket.socket_cookie},
            {"process", socket.of_sidecar ? "sidecar" : "application"},
            {"uid", socket.uid},
            {"address", socket.local.to_string()},
            {"state", tcp_state_name(socket.state)},
            {"unread", socket.unread},
            {"unsent", socket.unsent},
            {"accelerated", socket.accelerated}};
}

// An end that is no known socket: another node's, or one outside of the mesh.
json outside(const Endpoint& endpoint) {
    return {{"pod", ""}, {"process", "outside"}, {"address", endpoint.to_string()}};
}

// What went from one end to the other, as far as either knows.
json bytes_between(const std::optional<OpenSocket>& from, const std::optional<OpenSocket>& to) {
    return {{"redirected", from ? from->redirected : 0},
            {"tcp", to ? to->received_by_tcp : from->sent_by_tcp}};
}

json to_json(const Connection& connection, const PodNames& names) {
    const auto& [client, server] = connection;
    const OpenSocket& end = connection.known_end();
    json document = {
        {"kind", kind_name(connection)},
        {"state", tcp_state_name(end.state)},
        {"destination", connection.destination().to_string()},
        {"accelerated", connection.is_accelerated()},
        {"reason", acceleration_reason(connection)},
        {"client", client ? to_json(*client, names) : outside(server->remote)},
        {"server", server ? to_json(*server, names) : outside(client->remote)},
        {"toServer", bytes_between(client, server)},
        {"toClient", bytes_between(server, client)},
    };
    if (end.age) {
        const auto seconds = static_cast<double>(end.age->count()) / kNanoseconds;
        document["ageSeconds"] =
            static_cast<double>(static_cast<std::int64_t>(seconds * kMilliseconds)) / kMilliseconds;
    }
    return document;
}

HttpResponse show_connections(const Views& views) {
    auto sockets = views.datapath.open_sockets();
    if (!sockets) {
        const int status = sockets.error().errno_value() == EOPNOTSUPP ? 501 : 500;
        return error_response(status, CniErrorCode::unavailable,
                              "the open connections cannot be listed", sockets.error().message());
    }
    const PodNames names = names_of(views.enroller);
    std::string lines;
    for (const Connection& connection : pair_ends(std::move(*sockets))) {
        lines += to_json(connection, names).dump(-1, ' ', false, json::error_handler_t::replace);
        lines += "\n";
    }
    return {200, lines, "application/x-ndjson"};
}

}  // namespace

void add_connection_routes(HttpRouter& router, const Views& views) {
    router.get("/v1/connections", [views](const std::string&) { return show_connections(views); });
}

}  // namespace fsm
