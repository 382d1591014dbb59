// Adopts the pinned maps of an earlier process, or replaces them and copies what can be read.
#pragma once

#include <map>
#include <string>

#include "common/result.h"
#include "interceptor/datapath/pins.h"
#include "interceptor/datapath/programs.h"

namespace fsm {

struct AdoptionPlan {
    MapSet pinned;  // everything that is pinned
    MapSet reused;  // those that the new programs reuse
    // False: every wanted map is reused and the pins are not changed.
    bool replaces_maps = true;
    bool had_maps = false;
    bool same_layout = false;
};

// Reuses each map that has the wanted shape, but none if the layout number of the pinned settings
// is another one.
Result<AdoptionPlan> plan_adoption(const PinTree& tree,
                                   const std::map<std::string, MapShape>& wanted);

// Copies the entries of replaced maps into `fresh`, if their keys have the same size; single ports
// of an earlier layout become prefixes. A value that has grown is padded with zeroes, and one that
// has shrunk is cut: therefore new fields of abi.h are appended and mean the old behaviour when
// they are 0. Existing entries in `fresh` are newer and stay.
Result<void> migrate_entries(const AdoptionPlan& plan, const MapSet& fresh);

// Pins `maps` as the next set, completely or not at all.
Result<void> pin_next_maps(const PinTree& tree, const MapSet& maps);

// Connections that were accelerated through a replaced socket map may have queued data that would
// be lost with the map. They use TCP from now on, and the map is kept until it is empty.
Result<void> retire_sockets(const PinTree& tree, const AdoptionPlan& plan);
Result<void> drop_empty_retired(const PinTree& tree);

}  // namespace fsm
