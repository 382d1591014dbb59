#include "interceptor/sync/cni_verbs.h"

#include <optional>
#include <string>

#include "common/failures.h"

namespace fsm {

CniOutcome CniVerbs::remove(const cni::Request& request) {
    if (auto checked = cni::check_request(request, cni::Operation::del); !checked) {
        return checked;
    }
    // DEL succeeds with any configuration; an invalid one names no network.
    const auto network = cni::parse_network(request.stdin_data);
    const cni::Interface& interface = request.interface;
    return parts_.removal.remove(
        Removal{{interface.container_id, interface.ifname, network ? network->name : std::string()},
                request.netns,
                cni::pod_of(request.args).uid});
}

CniOutcome CniVerbs::collect_garbage(std::string_view network_config) {
    const auto network = cni::parse_network(network_config);
    if (!network) {
        return network.error();
    }
    return parts_.removal.remove_stale(*network);
}

// ---- check -------------------------------------------------------------------------------------

CniOutcome CniVerbs::check(const cni::Request& request) {
    if (auto checked = cni::check_request(request, cni::Operation::check); !checked) {
        return checked;
    }
    const auto network = cni::parse_network(request.stdin_data);
    if (!network) {
        return network.error();
    }
    const cni::Interface& interface = request.interface;
    const auto lock = parts_.attachments.locks().lock(interface.container_id);
    const AttachmentTable& table = parts_.attachments.table();
    auto state = table.find({interface.container_id, interface.ifname, network->name});
    if (!state) {
        // The namespace is intercepted, not the attachment: accept any attachment of the interface,
        // or a found one.
        const auto keys = parts_.removal.keys_of({{interface.container_id, interface.ifname, ""},
                                                  request.netns,
                                                  cni::pod_of(request.args).uid});
        state = keys.empty() ? std::nullopt : table.find(keys.front());
    }
    return state ? check_known(*state) : check_unknown(request);
}

CniOutcome CniVerbs::check_known(const AttachmentState& state) const {
    const std::string name = state.attachment.pod.to_string();
    if (state.membership == Membership::refused) {
        return CniError(CniErrorCode::not_enrolled, "pod " + name + " is not intercepted",
                        state.problems.empty() ? "" : state.problems.back().text);
    }
    if (state.membership != Membership::in_mesh) {
        return {};
    }
    const auto netns = parts_.namespaces.open_if_same(state.attachment);
    if (!netns) {
        return CniError(CniErrorCode::not_enrolled, "pod " + name + " has lost its namespace",
                        state.attachment.netns_path + " is gone or another one");
    }
    if (!state.failure.empty()) {
        return CniError(CniErrorCode::not_enrolled, "pod " + name + " is not intercepted as wanted",
                        state.failure);
    }
    const auto intact = parts_.interception.check(*netns, state.attachment.netns_cookie);
    if (!intact) {
        return CniError(CniErrorCode::not_enrolled, "pod " + name + " is not intercepted as wanted",
                        intact.error().message() + "; it is put right within 30 s");
    }
    return {};
}

// An attachment made without the interceptor is an error only if its pod is in the mesh.
CniOutcome CniVerbs::check_unknown(const cni::Request& request) const {
    const cni::PodReference pod = cni::pod_of(request.args);
    if (pod.name.empty()) {
        return {};
    }
    const std::string name = pod_name_of(pod);
    const auto found = parts_.lookup.wait_for(pod, lookup_timeout_);
    if (!found) {
        return CniError(CniErrorCode::try_again_later, "pod " + name + " is not known yet",
                        found.error().message());
    }
    if (*found && needs_interception(parts_.rules.decide(**found))) {
        return CniError(
            CniErrorCode::not_enrolled, "pod " + name + " is in the mesh, but not intercepted",
            "the attachment " + request.interface.container_id + "/" + request.interface.ifname +
                " was made without the interceptor; it is found and enrolled as soon "
                "as a process of the pod runs");
    }
    return {};
}

// ---- status ------------------------------------------------------------------------------------

CniOutcome CniVerbs::status() const {
    if (const auto writable = parts_.attachments.store().check_writable(); !writable) {
        return CniError(CniErrorCode::unavailable, "attachments cannot be remembered",
                        writable.error().message());
    }
    Failures broken;
    for (const Problem& problem : parts_.inspection.node_conditions()) {
        broken.note(Error(problem.text));
    }
    if (const auto whole = broken.result(); !whole) {
        return CniError(CniErrorCode::unavailable, "this node does not intercept as it should",
                        whole.error().message());
    }
    Failures failures;
    parts_.attachments.table().for_each([&](const AttachmentState& state) {
        if (state.membership == Membership::in_mesh && !state.failure.empty()) {
            failures.note(Error(state.attachment.pod.to_string() + ": " + state.failure));
        }
    });
    if (const auto all = failures.result(); !all) {
        return CniError(CniErrorCode::limited_connectivity,
                        "pods are not intercepted as they should be", all.error().message());
    }
    return {};
}

}  // namespace fsm
