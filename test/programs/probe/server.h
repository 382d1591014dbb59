// The probe's server: performs on each connection the script in the client's first line, and prints
// its own observations. One process per connection, with a time limit.
#pragma once

#include "probe/context.h"

namespace fsm::test {

Result<void> run_probe_server(const Surroundings& surroundings);

// The known scripts; the connection's facts are printed before.
void run_script(const std::string& name, const Context& context, const Fd& connection);

}  // namespace fsm::test
