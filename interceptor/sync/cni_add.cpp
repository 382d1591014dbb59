#include "interceptor/sync/cni_add.h"

#include <utility>

#include "interceptor/log/log.h"
#include "interceptor/sync/enrolment_plan.h"

namespace fsm {

namespace {

CniError environment_error(const std::string& message, const std::string& details) {
    return CniError(CniErrorCode::invalid_environment, message, details);
}

}  // namespace

CniOutcome CniAdd::add(const cni::Request& request) {
    if (auto checked = cni::check_request(request, cni::Operation::add); !checked) {
        return checked;
    }
    auto network = cni::parse_network(request.stdin_data);
    if (!network) {
        return network.error();
    }
    const std::string path = parts_.namespaces.translate(request.netns);
    auto netns = parts_.namespaces.open_at(path);
    if (!netns) {
        return environment_error("invalid CNI_NETNS", netns.error().message());
    }
    const cni::Interface& interface = request.interface;
    auto view = inspect_netns(*netns, interface.ifname);
    if (!view) {
        return CniError(CniErrorCode::enrolment_failed, "cannot look into " + path,
                        view.error().message());
    }
    const std::uint64_t cookie = view->cookie;
    Candidate candidate{{interface.container_id, interface.ifname, network->name},
                        path,
                        std::move(*network),
                        cni::pod_of(request.args),
                        std::move(*netns),
                        std::move(*view)};
    // Replaces the attachment of a pod that was found running in the namespace.
    const auto locks = parts_.attachments.lock_containers(
        interface.container_id, [&] { return parts_.attachments.table().keys_in(cookie); });
    auto outcome = add_locked(candidate);
    if (!outcome) {
        parts_.owners.refusal(candidate.reference, outcome.error());
    }
    return outcome;
}

CniOutcome CniAdd::add_locked(Candidate& candidate) {
    AttachmentLifeCycle& attachments = parts_.attachments;
    auto previous = attachments.table().find(candidate.key);
    if (auto ended = end_former(candidate, previous); !ended) {
        return ended;
    }
    FoundPod found;
    if (auto known = look_up(candidate, found); !known) {
        return known;
    }
    if (found && chain_use_ != nullptr) {
        chain_use_->add_arrived();
    }
    AttachmentState state = state_of(candidate, found);
    if (auto begun = attachments.begin(state); !begun) {
        attachments.take_back(state, candidate.netns, previous);
        return CniError(CniErrorCode::state_not_written,
                        "cannot remember the attachment " + candidate.key.to_string(),
                        begun.error().message());
    }
    if (auto settled = settle(state, found, candidate); !settled) {
        log::error(log::Pod{state.attachment.pod.to_string()}, "{}: {}", settled.error().message,
                   settled.error().details);
        attachments.take_back(state, candidate.netns, previous);
        return settled;
    }
    // Runtimes may repeat an ADD.
    if (found && state.membership == Membership::in_mesh && !previous) {
        parts_.times.enrolled(std::chrono::steady_clock::now() - found->known.time);
    }
    parts_.owners.new_problems(state, {});
    attachments.table().put(state);
    replace_found_running(state.attachment);
    return {};
}

// An attachment of the same name in another namespace: the runtime sent no DEL for it.
CniOutcome CniAdd::end_former(const Candidate& candidate,
                              std::optional<AttachmentState>& previous) const {
    if (!previous || previous->attachment.netns_cookie == candidate.view.cookie) {
        return {};
    }
    const auto netns = parts_.namespaces.open_if_same(previous->attachment);
    if (auto gone = parts_.attachments.end(*previous, netns ? &*netns : nullptr); !gone) {
        return CniError(CniErrorCode::withdrawal_failed,
                        "cannot replace the earlier attachment " + candidate.key.to_string(),
                        gone.error().message());
    }
    previous.reset();
    return {};
}

// The answer of ADD if the source cannot answer, or is certain that the pod does not exist.
CniOutcome CniAdd::look_up(const Candidate& candidate, FoundPod& found) const {
    const cni::PodReference& reference = candidate.reference;
    const std::string name = pod_name_of(reference);
    const std::string source = parts_.source.description();
    if (!reference.name.empty()) {
        auto answer = parts_.lookup.wait_for(reference, lookup_rules_.timeout);
        if (!answer) {
            return CniError(CniErrorCode::try_again_later, "pod " + name + " is not known yet",
                            "asked " + source + " for " +
                                std::to_string(lookup_rules_.timeout.count()) +
                                " ms: " + answer.error().message() +
                                ". It may be in the mesh, so it is not "
                                "started; see `fsm-interceptor status`");
        }
        found = std::move(*answer);
    }
    if (found || lookup_rules_.unknown_pods == UnknownPods::pass) {
        return {};
    }
    if (reference.name.empty()) {
        return environment_error("the container is not a pod",
                                 "CNI_ARGS has no K8S_POD_NAME, and the configuration has "
                                 "unknownPods: refuse");
    }
    return CniError(CniErrorCode::try_again_later, "there is no pod " + name,
                    source +
                        " has no such pod, and the configuration has unknownPods: refuse; add the "
                        "pod there, or set unknownPods: pass");
}

AttachmentState CniAdd::state_of(const Candidate& candidate, const FoundPod& found) const {
    const cni::PodReference& reference = candidate.reference;
    AttachmentState state;
    state.attachment = {candidate.key,
                        candidate.netns_path,
                        candidate.netns.identity(),
                        candidate.view.cookie,
                        parts_.namespaces.boot_id(),
                        {reference.pod_namespace, reference.name},
                        reference.uid};
    const auto& results = candidate.config.result_addresses;
    state.given.insert(results.begin(), results.end());
    if (found) {
        state.given.insert(found->addresses.begin(), found->addresses.end());
        state.attachment.pod = found->name;
        state.attachment.pod_uid = found->uid.empty() ? reference.uid : found->uid;
        return state;
    }
    state.membership = Membership::unknown;
    state.reason = reference.name.empty() ? "the container runtime names no pod"
                                          : parts_.source.description() + " has no such pod";
    return state;
}

CniOutcome CniAdd::settle(AttachmentState& state, const FoundPod& found,
                          const Candidate& candidate) {
    const std::string name = state.attachment.pod.to_string();
    const Decision decision = found ? parts_.rules.decide(*found) : Decision{NotInMesh{}, {}};
    if (const auto* refused = std::get_if<Refused>(&decision.verdict)) {
        return CniError(
            CniErrorCode::enrolment_failed,
            "pod " + name + " is not started, because it cannot be intercepted correctly",
            refused->reason);
    }
    EnrolmentKeeper& keeper = parts_.attachments.keeper();
    const auto done = found ? keeper.apply(state, decision, candidate.netns, candidate.view)
                            : keeper.keep_outside_mesh(state, candidate.netns, candidate.view);
    if (state.membership == Membership::in_mesh) {
        if (!done) {
            return CniError(CniErrorCode::enrolment_failed, "cannot intercept pod " + name,
                            done.error().message());
        }
        const auto missing = missing_addresses(candidate.config.result_addresses, candidate.view);
        state.problems.insert(state.problems.end(), missing.begin(), missing.end());
        return {};
    }
    // Containers outside the mesh must not depend on the interceptor.
    log::info(log::Pod{name}, "container={} passes untouched: {}",
              state.attachment.key.container_id, state.reason);
    if (!done) {
        parts_.conditions.report(
            Component::attachments,
            "container " + state.attachment.key.container_id +
                " outside the mesh: an earlier pod's traces of its addresses stay; restart the "
                "container if others cannot reach it: " +
                done.error().message());
    }
    return {};
}

// Of a found namespace only the runtime's attachment remains.
void CniAdd::replace_found_running(const Attachment& attached) {
    const AttachmentTable& table = parts_.attachments.table();
    for (const AttachmentKey& key : table.keys_in(attached.netns_cookie)) {
        const auto other = key == attached.key ? std::nullopt : table.find(key);
        if (other && other->attachment.found_running) {
            parts_.attachments.drop(key);
        }
    }
}

}  // namespace fsm
