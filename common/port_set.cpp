#include "common/port_set.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace fsm {

namespace {

constexpr std::uint8_t kPortBits = 16;

// Each step takes the largest aligned block that starts at `next` and ends within the range.
void add_prefixes(const PortRange& range, std::vector<PortPrefix>& prefixes) {
    for (std::uint32_t next = range.first; next <= range.last;) {
        int bits = next == 0 ? kPortBits : std::countr_zero(next);
        while (next + (1U << bits) - 1 > range.last) {
            --bits;
        }
        prefixes.push_back(
            {static_cast<std::uint16_t>(next), static_cast<std::uint8_t>(kPortBits - bits)});
        next += 1U << bits;
    }
}

}  // namespace

PortSet::PortSet(std::initializer_list<std::uint16_t> ports) {
    for (const std::uint16_t port : ports) {
        ranges_.push_back({port, port});
    }
    normalise();
}

PortSet PortSet::of(std::vector<PortRange> ranges) {
    PortSet ports;
    ports.ranges_ = std::move(ranges);
    ports.normalise();
    return ports;
}

void PortSet::insert(std::uint16_t port) {
    ranges_.push_back({port, port});
    normalise();
}

void PortSet::insert(const PortSet& other) {
    ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
    normalise();
}

bool PortSet::contains(std::uint16_t port) const {
    const auto after = std::upper_bound(
        ranges_.begin(), ranges_.end(), port,
        [](std::uint16_t value, const PortRange& range) { return value < range.first; });
    return after != ranges_.begin() && std::prev(after)->last >= port;
}

std::vector<PortPrefix> PortSet::prefixes() const {
    std::vector<PortPrefix> prefixes;
    for (const PortRange& range : ranges_) {
        add_prefixes(range, prefixes);
    }
    return prefixes;
}

// Sorts the ranges and merges those that overlap or are adjacent.
void PortSet::normalise() {
    std::sort(ranges_.begin(), ranges_.end());
    std::size_t kept = 0;
    for (const PortRange& range : ranges_) {
        if (kept > 0 && range.first <= ranges_[kept - 1].last + 1U) {
            ranges_[kept - 1].last = std::max(ranges_[kept - 1].last, range.last);
        } else {
            ranges_[kept++] = range;
        }
    }
    ranges_.resize(kept);
}

}  // namespace fsm
