#include "interceptor/sync/enroller.h"

#include <utility>

namespace fsm {

Result<std::unique_ptr<Enroller>> Enroller::open(const EnrollerOptions& options,
                                                 MeshProfile profile, const PodSource& source,
                                                 Datapath& datapath, Conditions& conditions) {
    FSM_ASSIGN(auto store, AttachmentStore::open(options.state_directory + "/attachments"));
    FSM_ASSIGN(auto notes, DeletionNotes::open(options.state_directory + "/deleted"));
    FSM_ASSIGN(auto namespaces, PodNamespaces::open(options.host_paths));
    return std::unique_ptr<Enroller>(new Enroller(options, std::move(profile), source, datapath,
                                                  conditions, std::move(store), std::move(notes),
                                                  std::move(namespaces)));
}

Enroller::Enroller(const EnrollerOptions& options, MeshProfile profile, const PodSource& source,
                   Datapath& datapath, Conditions& conditions, AttachmentStore store,
                   DeletionNotes notes, PodNamespaces namespaces)
    : namespaces_(std::move(namespaces)),
      rules_{std::move(profile), options.defaults},
      lookup_(source),
      attachments_(std::move(store), datapath, conditions, namespaces_.proc()),
      containers_(datapath, options.cgroup),
      add_({attachments_, namespaces_, rules_, source, lookup_, owners_, conditions, times_},
           {options.pod_lookup_timeout, options.unknown_pods}),
      removal_(attachments_, namespaces_, std::move(notes), conditions),
      verbs_({add_, removal_, attachments_, namespaces_, rules_, lookup_, datapath, datapath},
             options.pod_lookup_timeout),
      finder_({attachments_, namespaces_, rules_, source, owners_, conditions, times_}),
      left_behind_(attachments_, namespaces_, datapath, conditions),
      passes_({attachments_, namespaces_, rules_, source, lookup_, datapath, finder_, left_behind_,
               containers_, owners_, conditions}) {}

void Enroller::set_chain_use(ChainUse& use) {
    add_.set_chain_use(use);
    finder_.set_chain_use(use);
}

Result<void> Enroller::restore() {
    FSM_TRY(left_behind_.take_over());
    // Before pods are enrolled again: the notes are about pods that went meanwhile.
    removal_.consume_deletion_notes();
    passes_.reconcile(ReconcileDepth::everything);
    finder_.enrol_running();
    passes_.update_containers();
    left_behind_.name_unknown_pods();
    return {};
}

void Enroller::interrupt() {
    passes_.interrupt();
    finder_.interrupt();
    lookup_.interrupt();
}

}  // namespace fsm
