// PodRecords: which pods have rules of this instance, on disk, so that a later process finds them:
// <directory>/<netns cookie in hex>. What the rules are is in the namespaces themselves.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/ip_address.h"
#include "common/result.h"

namespace fsm {

// Threads: every function may be called from any thread; two calls for one pod must not overlap.
class PodRecords {
  public:
    explicit PodRecords(const std::string& run_directory)
        : directory_(run_directory + "/iptables") {}

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
    std::string path_of(std::uint64_t netns_cookie) const;

    std::string directory_;
};

}  // namespace fsm
