// The tests' own certificate authority, and its certificates: all PEM, created in memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace fsm::testing {

struct TestCertificate {
    std::string certificate;
    std::string key;
};

class TestAuthority {
  public:
    explicit TestAuthority(const std::string& name = "test authority");
    ~TestAuthority();
    TestAuthority(const TestAuthority&) = delete;
    TestAuthority& operator=(const TestAuthority&) = delete;

    const std::string& certificate() const;
    // `alternative_names`: "DNS:localhost", "IP:127.0.0.1".
    TestCertificate issue(const std::string& common_name,
                          const std::vector<std::string>& alternative_names = {}) const;

  private:
    class Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace fsm::testing
