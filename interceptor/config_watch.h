// ConfigWatch: whether the configuration on disk is still the one that the interceptor uses.
//
// The interceptor reads its file at its start and keeps the result: a file that breaks later fails
// only the next start, and a change has no effect until then. Both are reported while there is time
// to correct them.
#pragma once

#include <string>

#include "common/result.h"
#include "interceptor/command_line.h"
#include "interceptor/pod/mesh_profile.h"

namespace fsm {

// Threads: one at a time.
class ConfigWatch {
  public:
    // `line` as it was at the start, with the `profile` that it led to.
    ConfigWatch(const CommandLine& line, MeshProfile profile);

    // An Error if the next start would fail, or would use other settings.
    Result<void> check() const;

  private:
    const CommandLine line_;
    const MeshProfile profile_;
};

}  // namespace fsm
