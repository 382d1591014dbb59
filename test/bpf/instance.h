// Instance: a test's own data path, with its own bpffs, run directory and cgroup, in which the test
// process is while the instance lives. Removes everything at the end; the test fails if that is not
// possible.
#pragma once

#include <memory>
#include <string>

#include "interceptor/datapath/bpf_map.h"
#include "interceptor/datapath/open.h"

namespace fsm::test {

// Returns the value, or fails the test.
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

// Moves the test process into its cgroup.
void join_cgroup(const std::string& path);

// Runs a shell command; returns its output, or fails the test.
std::string shell(const std::string& command);

}  // namespace fsm::test
