// The one table of what /metrics has, beside the data path's counters (counter_series.h) and what a
// pod source adds (fsm_pod_source_NAME). docs/metrics.md describes each; a test compares the two.
// Names follow Prometheus' conventions: base units, _total for counters, labels with few values.
#pragma once

#include <array>

namespace fsm::metric {

struct Description {
    const char* name;
    const char* help;
};

inline constexpr Description kBuildInfo = {"fsm_build_info",
                                           "Version and profile of the interceptor"};
inline constexpr Description kAutomaticAcceleration = {
    "fsm_automatic_acceleration", "What acceleration: auto means on this kernel"};
inline constexpr Description kKernelCapability = {"fsm_kernel_capability",
                                                  "1: this kernel can do it"};
inline constexpr Description kProblems = {
    "fsm_problems", "What is wrong with this node now, by component; `status` has the words"};
inline constexpr Description kCondition = {
    "fsm_condition", "1: this is wrong with the node now; `status` has the words"};
inline constexpr Description kProblemsBegun = {
    "fsm_problems_begun_total", "Problems of this node that have begun since the start"};
inline constexpr Description kPodEventsWaiting = {
    "fsm_pod_events_waiting", "Warnings about pods that are to be written as events"};
inline constexpr Description kPodEventsDropped = {
    "fsm_pod_events_dropped_total",
    "Warnings about pods that were given up: refused by the API, or too many"};
inline constexpr Description kPodSourceReady = {"fsm_pod_source_ready",
                                                "1: it is known which pods there are"};
inline constexpr Description kPodEnrolmentDuration = {
    "fsm_pod_enrolment_duration_seconds",
    "Time from when the interceptor knew the pod until its first enrolment"};
inline constexpr Description kAttachments = {"fsm_attachments",
                                             "Attachments of this node by their pod's state"};
inline constexpr Description kAttachmentFailures = {
    "fsm_attachment_failures", "Attachments whose wanted state could not be applied"};
inline constexpr Description kPodProblems = {"fsm_pod_problems",
                                             "Settings of pods that could not be used"};
inline constexpr Description kAddressConflicts = {
    "fsm_address_conflicts", "Addresses on a pod's interfaces that are another living pod's"};
inline constexpr Description kMapEntries = {"fsm_map_entries",
                                            "Entries in use of a map of the data path"};
inline constexpr Description kMapMaxEntries = {"fsm_map_max_entries",
                                               "Entries that a map of the data path can hold"};
inline constexpr Description kDecisions = {
    "fsm_decisions_total", "Decisions of the data path about connections of pods of the mesh"};
inline constexpr Description kMessages = {
    "fsm_messages_total", "Messages of accelerated sockets, by the way that they went"};
inline constexpr Description kProgramRunTime = {
    "fsm_program_run_seconds_total",
    "Time in BPF programs, by the kernel's statistics (programStatistics)"};
inline constexpr Description kProgramRuns = {"fsm_program_runs_total",
                                             "Runs of BPF programs, by the kernel's statistics"};
inline constexpr Description kCniRequests = {"fsm_cni_requests_total",
                                             "CNI requests by verb and result"};
inline constexpr Description kCniRequestDuration = {
    "fsm_cni_request_duration_seconds",
    "Time that CNI requests took, waiting for the pod included"};
inline constexpr Description kScrapeErrors = {"fsm_scrape_errors",
                                              "Parts of this page that could not be read"};

inline constexpr std::array kAll = {
    kBuildInfo,        kAutomaticAcceleration,
    kKernelCapability, kProblems,
    kCondition,        kProblemsBegun,
    kPodEventsWaiting, kPodEventsDropped,
    kPodSourceReady,   kPodEnrolmentDuration,
    kAttachments,      kAttachmentFailures,
    kPodProblems,      kAddressConflicts,
    kMapEntries,       kMapMaxEntries,
    kDecisions,        kMessages,
    kProgramRunTime,   kProgramRuns,
    kCniRequests,      kCniRequestDuration,
    kScrapeErrors,
};

}  // namespace fsm::metric
