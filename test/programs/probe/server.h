// The probe's server: does on each connection what the client's first line asks for, and says what
// it sees itself. A process per connection, with a time limit.
#pragma once

#include "probe/context.h"

namespace fsm::test {

Result<void> run_probe_server(const Surroundings& surroundings);

// Known names of behaviour; the connection's facts are told before.
void run_script(const std::string& name, const Context& context, const Fd& connection);

}  // namespace fsm::test
