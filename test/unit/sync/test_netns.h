// TestNetns: a real network namespace with an interface and addresses, bound to a file like those
// of container runtimes. Removed when the test ends. Needs root.
#pragma once

#include <string>
#include <vector>

#include "common/netns.h"

namespace fsm::testing {

class TestNetns {
  public:
    // `commands`: arguments of ip(8), run inside, such as "addr add 10.1.2.3/24 dev eth0". The
    // interface eth0 exists already, and is up.
    explicit TestNetns(const std::vector<std::string>& commands = {
                           "addr add 10.77.0.5/24 dev eth0"});
    TestNetns(const TestNetns&) = delete;
    TestNetns& operator=(const TestNetns&) = delete;
    ~TestNetns();

    const std::string& path() const { return path_; }
    std::uint64_t cookie() const { return cookie_; }
    void run(const std::string& ip_arguments) const;
    // Removes the file: the namespace can no longer be opened by its path.
    void lose();

  private:
    void set_up(const std::vector<std::string>& commands);
    void remove();

    std::string path_;
    std::uint64_t cookie_ = 0;
};

// The test's own directory, removed with its contents.
class TestDirectory {
  public:
    TestDirectory();
    TestDirectory(const TestDirectory&) = delete;
    TestDirectory& operator=(const TestDirectory&) = delete;
    ~TestDirectory();

    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

}  // namespace fsm::testing
