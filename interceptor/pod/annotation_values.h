// Parses the values of annotations. Internal to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/ip_address.h"
#include "common/port_set.h"
#include "interceptor/pod/pod_problem.h"

namespace fsm {

// Problems of the entries, up to a limit, and one with the number of further ones.
class Problems {
  public:
    // `subject` is the start of every sentence: "annotation example.org/ports".
    Problems(PodProblem::Kind kind, std::string subject)
        : kind_(kind), subject_(std::move(subject)) {}

    void add(const std::string& what);
    std::vector<PodProblem> all() const;

  private:
    PodProblem::Kind kind_;
    std::string subject_;
    std::vector<std::string> kept_;
    std::size_t left_off_ = 0;
};

// The valid entries of one list.
template <typename Set>
struct EntryList {
    Set entries;
    bool all = false;    // the list contains the wildcard
    bool empty = false;  // the list has no entries, valid or not
};

using PortList = EntryList<PortSet>;
using RangeList = EntryList<std::set<Cidr>>;

enum class PortEntries : std::uint8_t { single, single_or_range };

PortList parse_ports(std::string_view text, PortEntries form,
                     const std::optional<std::string>& wildcard, Problems& problems);
RangeList parse_ranges(std::string_view text, const std::optional<std::string>& wildcard,
                       Problems& problems);
std::vector<std::string> parse_interfaces(std::string_view text, Problems& problems);

// A whole value that is one number.
std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t low,
                                          std::uint32_t high, Problems& problems);

}  // namespace fsm
