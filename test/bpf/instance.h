// Instance: a data path of a test's own: its own bpffs, run directory and cgroup, which the test
// process is in while the instance lives. Takes everything away at the end, and fails the test if
// that does not work.
#pragma once

#include <memory>
#include <string>

#include "interceptor/datapath/bpf_map.h"
#include "interceptor/datapath/open.h"

namespace fsm::test {

// The value, or the failure of the test that uses it.
template <typename T>
T must(Result<T> result) {
    if (!result) {
        throw std::runtime_error(result.error().message());
    }
    return std::move(*result);
}

inline void must(Result<void> result) {
    if (!result) {
        throw std::runtime_error(result.error().message());
    }
}

class Instance {
  public:
    Instance();
    ~Instance();
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;

    DatapathOptions options;

    std::unique_ptr<Datapath> open() const { return must(open_kernel_datapath(options)); }
    std::string root() const { return options.bpffs + "/" + options.name; }
    BpfMap pinned(const std::string& map) const {
        return must(BpfMap::open_pinned(root() + "/maps/" + map));
    }
    std::string directory() const { return directory_; }

  private:
    std::string directory_;
    std::string cgroup_root_;
};

// Moves the test process there.
void join_cgroup(const std::string& path);

// Runs a shell command; its output, or a failure of the test.
std::string shell(const std::string& command);

}  // namespace fsm::test
