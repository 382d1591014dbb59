// Takes over the pinned maps of an earlier process, or replaces them and moves over what can be
// read.
#pragma once

#include <map>
#include <string>

#include "common/result.h"
#include "interceptor/datapath/pins.h"
#include "interceptor/datapath/programs.h"

namespace fsm {

struct AdoptionPlan {
    MapSet pinned;  // everything that is pinned
    MapSet reused;  // of these, what the new programs go on with
    // False: every wanted map is reused and the pins stay as they are.
    bool replaces_maps = true;
    bool had_maps = false;
    bool same_layout = false;
};

// Maps are reused one by one if they have the wanted shape, and none is if the layout number of the
// pinned settings is not ours.
Result<AdoptionPlan> plan_adoption(const PinTree& tree,
                                   const std::map<std::string, MapShape>& wanted);

// Copies the entries of the maps that are replaced into `fresh`, as far as keys have the same size;
// single ports of an earlier layout become prefixes.
// A value that has grown is filled up with zeroes, and one that has shrunk is cut: that is why new
// fields of abi.h are appended and mean the old behaviour when they are 0. Entries that are in
// `fresh` already are newer and stay.
Result<void> migrate_entries(const AdoptionPlan& plan, const MapSet& fresh);

// Pins `maps` as the next set, complete or not at all.
Result<void> pin_next_maps(const PinTree& tree, const MapSet& maps);

// Connections that were accelerated through a socket map that is replaced may have data queued that
// would be lost with the map. They go by TCP from now on, and the map is kept until it is empty.
Result<void> retire_sockets(const PinTree& tree, const AdoptionPlan& plan);
Result<void> drop_empty_retired(const PinTree& tree);

}  // namespace fsm
