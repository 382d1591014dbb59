// PortSet: a set of TCP ports that costs by range, not by port. "1-8887,8889-65535" is two ranges.
//
// Ports are in host order. Port 0 can be held like any other.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace fsm {

struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;  // included

    auto operator<=>(const PortRange&) const = default;
};

// The ports whose first `length` bits are those of `port`; the other bits of `port` are 0.
struct PortPrefix {
    std::uint16_t port = 0;
    std::uint8_t length = 16;

    auto operator<=>(const PortPrefix&) const = default;
};

class PortSet {
  public:
    PortSet() = default;
    PortSet(std::initializer_list<std::uint16_t> ports);
    // In any order, overlapping or not; each with first <= last.
    static PortSet of(std::vector<PortRange> ranges);

    void insert(std::uint16_t port);
    void insert(const PortSet& other);

    bool empty() const { return ranges_.empty(); }
    bool contains(std::uint16_t port) const;
    // Ascending; between two of them is at least one port that is not in the set.
    const std::vector<PortRange>& ranges() const { return ranges_; }
    // The fewest prefixes that cover exactly this set, ascending: at most 30 for a range.
    std::vector<PortPrefix> prefixes() const;

    bool operator==(const PortSet&) const = default;

  private:
    void normalise();

    std::vector<PortRange> ranges_;
};

}  // namespace fsm
