// ConfigWatch: whether the configuration on disk is still the one that the interceptor runs with.
//
// The interceptor reads its file when it starts, and keeps what it has read: a file that is broken
// later harms nothing until the next start, and what is changed later has no effect until then.
// Both are said while there is still time to mend it.
#pragma once

#include <string>

#include "common/result.h"
#include "interceptor/command_line.h"
#include "interceptor/pod/mesh_profile.h"

namespace fsm {

// Threads: one at a time.
class ConfigWatch {
  public:
    // `line` as it was at the start; `profile` was found with it.
    ConfigWatch(const CommandLine& line, MeshProfile profile);

    // An Error while the next start would fail, or would use other settings.
    Result<void> check() const;

  private:
    const CommandLine line_;
    const MeshProfile profile_;
};

}  // namespace fsm
