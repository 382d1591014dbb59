// Command lines of the test programs: "--name value" and "--name". An unknown name, a missing value
// or an invalid number is an error.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace fsm::test {

class Options {
  public:
    // `with_value` and `flags` are the known names, without dashes.
    static Result<Options> parse(const std::vector<std::string>& arguments,
                                 const std::set<std::string>& with_value,
                                 const std::set<std::string>& flags);

    bool has(const std::string& name) const { return values_.contains(name); }
    std::string text(const std::string& name, std::string_view otherwise) const;
    Result<std::uint64_t> number(const std::string& name, std::uint64_t otherwise) const;
    Result<std::uint16_t> port(const std::string& name, std::uint16_t otherwise) const;

  private:
    std::map<std::string, std::string> values_;
};

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t maximum);

// "80,8080-8082": every port of the list, in order.
Result<std::vector<std::uint16_t>> parse_ports(std::string_view text);

}  // namespace fsm::test
