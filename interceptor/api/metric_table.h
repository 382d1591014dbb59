// The one table of what /metrics has, beside the data path's counters (FSM_COUNTERS in bpf/abi.h,
// fsm_NAME_total each) and what a pod source adds (fsm_pod_source_NAME). docs/troubleshooting.md
// describes each; a test compares the two.
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
inline constexpr Description kProblemsBegun = {
    "fsm_problems_begun_total", "Problems of this node that have begun since the start"};
inline constexpr Description kPodEventsWaiting = {
    "fsm_pod_events_waiting", "Warnings about pods that are to be written as events"};
inline constexpr Description kPodEventsDropped = {
    "fsm_pod_events_dropped_total",
    "Warnings about pods that were given up: refused by the API, or too many"};
inline constexpr Description kPodSourceReady = {"fsm_pod_source_ready",
                                                "1: it is known which pods there are"};
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
inline constexpr Description kCniRequests = {"fsm_cni_requests_total",
                                             "CNI requests by verb and result"};
inline constexpr Description kCniRequestDuration = {
    "fsm_cni_request_duration_seconds",
    "Time that CNI requests took, waiting for the pod included"};
inline constexpr Description kScrapeErrors = {"fsm_scrape_errors",
                                              "Parts of this page that could not be read"};

inline constexpr std::array kAll = {
    kBuildInfo,     kAutomaticAcceleration, kKernelCapability, kProblems,
    kProblemsBegun, kPodEventsWaiting,      kPodEventsDropped, kPodSourceReady,
    kAttachments,   kAttachmentFailures,    kPodProblems,      kAddressConflicts,
    kMapEntries,    kMapMaxEntries,         kCniRequests,      kCniRequestDuration,
    kScrapeErrors,
};

}  // namespace fsm::metric
