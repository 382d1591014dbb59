// PortSet: a set of TCP ports whose size depends on the number of ranges, not ports.
// "1-8887,8889-65535" is two ranges.
//
// Ports are in host order. Port 0 is allowed.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace fsm {

struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;  // inclusive

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
    // In any order, may overlap; each with first <= last.
    static PortSet of(std::vector<PortRange> ranges);

    void insert(std::uint16_t port);
    void insert(const PortSet& other);

    bool empty() const { return ranges_.empty(); }
    bool contains(std::uint16_t port) const;
    // Ascending; any two ranges are separated by at least one port that is not in the set.
    const std::vector<PortRange>& ranges() const { return ranges_; }
    // The smallest list of prefixes that covers exactly this set, ascending: at most 30 per range.
    std::vector<PortPrefix> prefixes() const;

    bool operator==(const PortSet&) const = default;

  private:
    void normalise();

    std::vector<PortRange> ranges_;
};

}  // namespace fsm
