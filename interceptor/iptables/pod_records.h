// PodRecords: records on disk which pods have rules of this instance, so that a later process finds
// them: one file <netns cookie in hex> per pod. The rules themselves are in the namespaces.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/ip_address.h"
#include "common/result.h"

namespace fsm {

// Threads: every function may be called from any thread; two calls for one pod must not overlap.
class PodRecords {
  public:
    // Pods that are intercepted.
    static PodRecords intercepted(const std::string& run_directory) {
        return PodRecords(run_directory + "/iptables");
    }
    // Pods that are no longer intercepted, but keep what their open connections need
    // (tracking_rules()).
    static PodRecords tracked(const std::string& run_directory) {
        return PodRecords(run_directory + "/iptables-tracking");
    }

    // Addresses by cookie. Cookies are reused after a reboot: records of another boot are removed.
    // An invalid record counts, without addresses.
    Result<std::map<std::uint64_t, std::vector<IpAddress>>> load() const;
    // Creates the directory.
    Result<void> save(std::uint64_t netns_cookie, const std::vector<IpAddress>& addresses) const;
    // Succeeds when there is none.
    Result<void> remove(std::uint64_t netns_cookie) const;
    // Also removes the directory if it is empty.
    Result<void> remove_directory() const;

  private:
    explicit PodRecords(std::string directory) : directory_(std::move(directory)) {}

    std::string path_of(std::uint64_t netns_cookie) const;

    std::string directory_;
};

}  // namespace fsm
