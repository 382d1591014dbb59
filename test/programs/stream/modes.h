// The modes of the stream tool. Each takes the arguments after its name, prints one line of JSON
// per result on standard output and returns the process's exit status, or an error for the command
// line's reader.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"

namespace fsm::test {

using Arguments = std::vector<std::string>;

Result<int> run_server(const Arguments& arguments);
Result<int> run_load(const Arguments& arguments);
Result<int> run_bulk(const Arguments& arguments);
Result<int> run_connects(const Arguments& arguments);
Result<int> run_hold(const Arguments& arguments);
Result<int> run_integrity(const Arguments& arguments);
Result<int> run_never_reads(const Arguments& arguments);
Result<int> run_validate_istio(const Arguments& arguments);

}  // namespace fsm::test
