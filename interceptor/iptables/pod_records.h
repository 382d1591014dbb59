// PodRecords: which pods have rules of this instance, on disk, so that a later process finds them:
// a file <netns cookie in hex> for each. What the rules are is in the namespaces themselves.
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
    // Pods that are not, any more: they have what lets their open connections go on
    // (tracking_rules()).
    static PodRecords tracked(const std::string& run_directory) {
        return PodRecords(run_directory + "/iptables-tracking");
    }

    // Addresses by cookie. Cookies start over with every boot: what is of another one is removed.
    // A record that cannot be read counts, without addresses.
    Result<std::map<std::uint64_t, std::vector<IpAddress>>> load() const;
    // Makes the directory.
    Result<void> save(std::uint64_t netns_cookie, const std::vector<IpAddress>& addresses) const;
    // Succeeds when there is none.
    Result<void> remove(std::uint64_t netns_cookie) const;
    // The directory goes too when nothing is left in it.
    Result<void> remove_directory() const;

  private:
    explicit PodRecords(std::string directory) : directory_(std::move(directory)) {}

    std::string path_of(std::uint64_t netns_cookie) const;

    std::string directory_;
};

}  // namespace fsm
