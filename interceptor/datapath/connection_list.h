// The open connections of all pods, by an iterator over the sockets that the programs have state of
// (bpf/connections.bpf.c). It is loaded for one list and ends with it.
#pragma once

#include <vector>

#include "common/result.h"
#include "interceptor/datapath/options.h"
#include "interceptor/datapath/programs.h"
#include "interceptor/interception/open_socket.h"

namespace fsm {

// One element per socket, in no order. A connection that was established before its pod was
// enrolled has no state, and is not in the list.
Result<std::vector<OpenSocket>> list_open_sockets(const DatapathOptions& options,
                                                  const LoadedObject& loaded);

}  // namespace fsm
