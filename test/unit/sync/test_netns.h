// TestNetns: a real network namespace with a interface and addresses, bound to a file
// like those that container runtimes make. Gone when the test ends. Needs root.
#pragma once

#include <string>
#include <vector>

#include "common/netns.h"

namespace fsm::testing {

class TestNetns {
  public:
    // `commands`: arguments of ip(8), run inside, such as "addr add 10.1.2.3/24 dev eth0". There is
    // an interface eth0 already, and it is up.
    explicit TestNetns(const std::vector<std::string>& commands = {
                           "addr add 10.77.0.5/24 dev eth0"});
    TestNetns(const TestNetns&) = delete;
    TestNetns& operator=(const TestNetns&) = delete;
    ~TestNetns();

    const std::string& path() const { return path_; }
    std::uint64_t cookie() const { return cookie_; }
    void run(const std::string& ip_arguments) const;
    // Takes the file away: the namespace is lost for everybody who knows its path.
    void lose();

  private:
    void set_up(const std::vector<std::string>& commands);
    void remove();

    std::string path_;
    std::uint64_t cookie_ = 0;
};

// A directory of the test's own, removed with all that is in it.
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
