#include "interceptor/sync/enroller.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/boot_id.h"
#include "common/failures.h"
#include "interceptor/log/log.h"

namespace fsm {

namespace {

CniError environment_error(const std::string& message, const std::string& details) {
    return CniError(CniErrorCode::invalid_environment, message, details);
}

std::string name_of(const cni::PodReference& reference) {
    return reference.pod_namespace.empty() ? reference.name
                                           : reference.pod_namespace + "/" + reference.name;
}

}  // namespace

Result<std::unique_ptr<Enroller>> Enroller::open(EnrollerOptions options, MeshProfile profile,
                                                 const PodSource& source, Datapath& datapath,
                                                 Conditions& conditions) {
    FSM_ASSIGN(auto store, AttachmentStore::open(options.state_directory + "/attachments"));
    FSM_ASSIGN(auto notes, DeletionNotes::open(options.state_directory + "/deleted"));
    FSM_ASSIGN(auto boot_id, current_boot_id());
    FSM_ASSIGN(const auto own, Netns::current());
    std::vector<NetnsIdentity> host_netns = {own.identity()};
    if (const auto host = netns_identity_at(options.host_paths.proc + "/1/ns/net")) {
        host_netns.push_back(*host);
    }
    return std::unique_ptr<Enroller>(new Enroller(
        std::move(options), std::move(profile), source, datapath, conditions, std::move(store),
        std::move(notes), std::move(boot_id), std::move(host_netns)));
}

Enroller::Enroller(EnrollerOptions options, MeshProfile profile, const PodSource& source,
                   Datapath& datapath, Conditions& conditions, AttachmentStore store,
                   DeletionNotes notes, std::string boot_id, std::vector<NetnsIdentity> host_netns)
    : options_(std::move(options)),
      profile_(std::move(profile)),
      source_(source),
      lookup_(source),
      datapath_(datapath),
      store_(std::move(store)),
      notes_(std::move(notes)),
      boot_id_(std::move(boot_id)),
      host_netns_(std::move(host_netns)),
      keeper_(datapath, table_, options_.host_paths.proc),
      containers_(datapath, options_.cgroup),
      conditions_(conditions) {}

Result<Netns> Enroller::open_pod_netns(const std::string& path) const {
    if (path.empty() || path.front() != '/') {
        return Error("the path of the network namespace must be absolute, it is \"" + path + "\"",
                     EINVAL);
    }
    if (path.find('\0') != std::string::npos) {
        return Error("the path of the network namespace has a zero byte in it", EINVAL);
    }
    FSM_ASSIGN(auto netns, Netns::open(path));
    if (std::find(host_netns_.begin(), host_netns_.end(), netns.identity()) != host_netns_.end()) {
        return Error(path + " is the node's own network namespace, not a pod's", EINVAL);
    }
    return netns;
}

bool Enroller::is_alive(const Attachment& attachment) const {
    return attachment.boot_id == boot_id_ &&
           netns_identity_at(attachment.netns_path) == attachment.netns;
}

std::optional<Netns> Enroller::open_if_same(const Attachment& attachment) const {
    if (!is_alive(attachment)) {
        return std::nullopt;
    }
    auto netns = open_pod_netns(attachment.netns_path);
    if (!netns || netns->identity() != attachment.netns) {
        return std::nullopt;
    }
    return std::move(*netns);
}

// ---- create
// --------------------------------------------------------------------------------------

CniOutcome Enroller::create(const cni::Request& request) {
    if (auto checked = cni::check_request(request, cni::Operation::add); !checked) {
        return checked;
    }
    auto network = cni::parse_network(request.stdin_data);
    if (!network) {
        return network.error();
    }
    const std::string path = options_.host_paths.translate(request.netns);
    auto netns = open_pod_netns(path);
    if (!netns) {
        return environment_error("invalid CNI_NETNS", netns.error().message());
    }
    const cni::Interface& interface = request.interface;
    auto view = look_into(*netns, interface.ifname);
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
    // What was found running in the namespace is replaced by this attachment.
    const auto locks =
        lock_containers(interface.container_id, [&] { return table_.keys_in(cookie); });
    auto outcome = create_locked(candidate);
    if (!outcome) {
        report_refusal(candidate, outcome.error());
    }
    return outcome;
}

// What ADD answers when the source cannot tell, or is certain that there is no such pod.
CniOutcome Enroller::look_up(const Candidate& candidate, FoundPod& found) const {
    const cni::PodReference& reference = candidate.reference;
    const std::string name = name_of(reference);
    if (!reference.name.empty()) {
        auto answer = lookup_.wait_for(reference, options_.pod_lookup_timeout);
        if (!answer) {
            return CniError(CniErrorCode::try_again_later, "pod " + name + " is not known yet",
                            "asked " + source_.description() + " for " +
                                std::to_string(options_.pod_lookup_timeout.count()) +
                                " ms: " + answer.error().message() +
                                ". Whether it is in the mesh cannot be told, so it is not "
                                "started; see `fsm-interceptor status`");
        }
        found = std::move(*answer);
    }
    if (found || options_.unknown_pods == UnknownPods::pass) {
        return {};
    }
    if (reference.name.empty()) {
        return environment_error("the container is not a pod",
                                 "CNI_ARGS has no K8S_POD_NAME, and the configuration says "
                                 "unknownPods: refuse");
    }
    return CniError(CniErrorCode::try_again_later, "there is no pod " + name,
                    source_.description() +
                        " has no such pod, and the configuration says unknownPods: refuse; add the "
                        "pod there, or set unknownPods: pass");
}

CniOutcome Enroller::settle(AttachmentState& state, const FoundPod& found,
                            const Candidate& candidate) {
    if (!found) {
        state.membership = Membership::unknown;
        state.reason = candidate.reference.name.empty()
                           ? "the container runtime names no pod"
                           : source_.description() + " has no such pod";
    }
    const std::string name = state.attachment.pod.to_string();
    const Decision decision =
        found ? decide(profile_, *found, options_.defaults) : Decision{NotInMesh{}, {}};
    if (const auto* refused = std::get_if<Refused>(&decision.verdict)) {
        return CniError(CniErrorCode::enrolment_failed,
                        "pod " + name + " is not started, because it cannot be intercepted rightly",
                        refused->reason);
    }
    const auto done = found ? keeper_.apply(state, decision, candidate.netns, candidate.view)
                            : keeper_.leave_outside(state, candidate.netns, candidate.view);
    if (state.membership == Membership::in_mesh) {
        if (!done) {
            return CniError(CniErrorCode::enrolment_failed, "cannot intercept pod " + name,
                            done.error().message());
        }
        const auto missing = missing_addresses(candidate.config.result_addresses, candidate.view);
        state.problems.insert(state.problems.end(), missing.begin(), missing.end());
        return {};
    }
    // A container outside the mesh does not depend on us.
    log::info("pod={} container={} passes untouched: {}", name, state.attachment.key.container_id,
              state.reason);
    if (!done) {
        conditions_.report(Component::attachments,
                           "container " + state.attachment.key.container_id +
                               " outside the mesh: an earlier pod's traces of its addresses stay; "
                               "restart the container if others cannot reach it: " +
                               done.error().message());
    }
    return {};
}

// Leaves things as they were before the attempt that failed with `outcome`.
CniOutcome Enroller::undo(const AttachmentState& state, const Netns& netns,
                          const std::optional<AttachmentState>& previous, CniOutcome outcome) {
    const AttachmentKey& key = state.attachment.key;
    auto undone = previous ? store_.save(previous->attachment) : store_.remove(key);
    if (previous) {
        table_.put(*previous);
    } else {
        table_.erase(key);
        if (auto detached = keeper_.detach(state, &netns); !detached) {
            undone = std::move(detached);
        }
    }
    if (!undone) {
        conditions_.report(Component::attachments, "undo the attachment " + key.to_string() + ": " +
                                                       undone.error().message());
    }
    return outcome;
}

CniOutcome Enroller::create_locked(Candidate& candidate) {
    const AttachmentKey& key = candidate.key;
    auto previous = table_.find(key);
    if (previous && previous->attachment.netns_cookie != candidate.view.cookie) {
        // The runtime never told us that this one went.
        const auto netns = open_if_same(previous->attachment);
        if (auto gone = forget(*previous, netns ? &*netns : nullptr); !gone) {
            return CniError(CniErrorCode::withdrawal_failed,
                            "cannot replace the earlier attachment " + key.to_string(),
                            gone.error().message());
        }
        previous.reset();
    }
    FoundPod found;
    if (auto known = look_up(candidate, found); !known) {
        return known;
    }
    if (found && chain_use_ != nullptr) {
        chain_use_->add_arrived();
    }
    AttachmentState state;
    state.attachment = {key,
                        candidate.netns_path,
                        candidate.netns.identity(),
                        candidate.view.cookie,
                        boot_id_,
                        {candidate.reference.pod_namespace, candidate.reference.name},
                        candidate.reference.uid};
    const auto& results = candidate.config.result_addresses;
    state.given.insert(results.begin(), results.end());
    if (found) {
        state.given.insert(found->addresses.begin(), found->addresses.end());
        state.attachment.pod = found->name;
        state.attachment.pod_uid = found->uid.empty() ? candidate.reference.uid : found->uid;
    }
    // On disk first: a crash after this is cleaned up by the next start, a crash between enrolling
    // and writing would leave an enrolment that nobody knows.
    if (auto saved = store_.save(state.attachment); !saved) {
        return undo(
            state, candidate.netns, previous,
            CniError(CniErrorCode::state_not_written,
                     "cannot remember the attachment " + key.to_string(), saved.error().message()));
    }
    table_.put(state);
    if (auto settled = settle(state, found, candidate); !settled) {
        log::error("pod={} {}: {}", state.attachment.pod.to_string(), settled.error().message,
                   settled.error().details);
        return undo(state, candidate.netns, previous, settled);
    }
    report_new_problems(state, {});
    table_.put(state);
    take_over_found(state.attachment);
    return {};
}

// ---- check and status
// ----------------------------------------------------------------------------

CniOutcome Enroller::check(const cni::Request& request) {
    if (auto checked = cni::check_request(request, cni::Operation::check); !checked) {
        return checked;
    }
    const auto network = cni::parse_network(request.stdin_data);
    if (!network) {
        return network.error();
    }
    const cni::Interface& interface = request.interface;
    const auto lock = container_locks_.lock(interface.container_id);
    auto state = table_.find({interface.container_id, interface.ifname, network->name});
    if (!state) {
        // Interception is the namespace's: any attachment of the interface, or what was found.
        const auto keys = keys_of({{interface.container_id, interface.ifname, ""},
                                   request.netns,
                                   cni::pod_of(request.args).uid});
        state = keys.empty() ? std::nullopt : table_.find(keys.front());
    }
    return state ? check_known(*state) : check_unknown(request);
}

CniOutcome Enroller::check_known(const AttachmentState& state) const {
    const std::string name = state.attachment.pod.to_string();
    if (state.membership == Membership::refused) {
        return CniError(CniErrorCode::not_enrolled, "pod " + name + " is not intercepted",
                        state.problems.empty() ? "" : state.problems.back().text);
    }
    if (state.membership != Membership::in_mesh) {
        return {};
    }
    const auto netns = open_if_same(state.attachment);
    if (!netns) {
        return CniError(CniErrorCode::not_enrolled, "pod " + name + " has lost its namespace",
                        state.attachment.netns_path + " is gone or another one");
    }
    if (!state.failure.empty()) {
        return CniError(CniErrorCode::not_enrolled, "pod " + name + " is not intercepted as wanted",
                        state.failure);
    }
    const auto intact = datapath_.check(*netns, state.attachment.netns_cookie);
    if (!intact) {
        return CniError(CniErrorCode::not_enrolled, "pod " + name + " is not intercepted as wanted",
                        intact.error().message() + "; it is put right within 30 s");
    }
    return {};
}

// An attachment that was made without us is wrong only if its pod is in the mesh.
CniOutcome Enroller::check_unknown(const cni::Request& request) const {
    const cni::PodReference pod = cni::pod_of(request.args);
    if (pod.name.empty()) {
        return {};
    }
    const auto found = lookup_.wait_for(pod, options_.pod_lookup_timeout);
    if (!found) {
        return CniError(CniErrorCode::try_again_later, "pod " + name_of(pod) + " is not known yet",
                        found.error().message());
    }
    if (*found &&
        !std::holds_alternative<NotInMesh>(decide(profile_, **found, options_.defaults).verdict)) {
        return CniError(CniErrorCode::not_enrolled,
                        "pod " + name_of(pod) + " is in the mesh, but not intercepted",
                        "the attachment " + request.interface.container_id + "/" +
                            request.interface.ifname +
                            " was made without the interceptor; it is found and enrolled as soon "
                            "as a process of the pod runs");
    }
    return {};
}

void Enroller::look_after_node() {
    for (const std::string& repaired : datapath_.verify_node()) {
        log::error("{}; it was put back", repaired);
    }
    const auto pods = datapath_.pods_to_enrol_again();
    Failures failures;
    failures.note(pods);
    conditions_.follow(Component::reconciler, "enrol again",
                       failures.result("ask which pods are to be enrolled again"));
    if (!pods) {
        return;
    }
    for (const std::uint64_t cookie : *pods) {
        table_.plan_again(cookie);
        for (const AttachmentKey& key : table_.keys_in(cookie)) {
            reconcile_one(key, ReconcileDepth::settings);
        }
    }
}

void Enroller::interrupt() {
    interrupted_ = true;
    lookup_.interrupt();
}

void Enroller::report_new_problems(const AttachmentState& state,
                                   const std::vector<PodProblem>& before) const {
    const Attachment& attachment = state.attachment;
    for (const auto& problem : state.problems) {
        if (std::find(before.begin(), before.end(), problem) != before.end()) {
            continue;
        }
        log::warn("pod={} {}", attachment.pod.to_string(), problem.text);
        if (notifier_ != nullptr) {
            const auto reason = problem.kind == PodProblem::Kind::annotation
                                    ? PodWarningReason::annotation_ignored
                                    : PodWarningReason::pod_problem;
            notifier_->warn({attachment.pod, attachment.pod_uid, reason, problem.text});
        }
    }
}

void Enroller::report_refusal(const Candidate& candidate, const CniError& error) const {
    const cni::PodReference& pod = candidate.reference;
    if (notifier_ != nullptr && !pod.name.empty() && !pod.pod_namespace.empty()) {
        notifier_->warn({{pod.pod_namespace, pod.name},
                         pod.uid,
                         PodWarningReason::refused,
                         error.message + ": " + error.details});
    }
}

CniOutcome Enroller::status() const {
    if (const auto writable = store_.check_writable(); !writable) {
        return CniError(CniErrorCode::unavailable, "attachments cannot be remembered",
                        writable.error().message());
    }
    Failures broken;
    for (const Problem& problem : datapath_.node_conditions()) {
        broken.note(Error(problem.text));
    }
    if (const auto whole = broken.result(); !whole) {
        return CniError(CniErrorCode::unavailable, "this node does not intercept as it should",
                        whole.error().message());
    }
    Failures failures;
    table_.for_each([&](const AttachmentState& state) {
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
