// Our entry in the chain of CNI plugins that a container runtime uses: put in, and taken out.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "interceptor/install/config_files.h"

namespace fsm {

struct ChainState {
    std::string file;       // the configuration that runtimes use now; empty: there is none yet
    bool inserted = false;  // by this very call
    std::vector<std::string> problems;  // files before it that no runtime can use
};

// Makes sure that the first configuration that a runtime can use has `entry` (JSON). A single
// plugin (NAME.conf) becomes a chain (NAME.conflist) with the same name and version. What is as it
// should be is not written. Fails with ESTALE when another program is writing the file: try again.
Result<ChainState> insert_entry(const ConfigFiles& files, const std::string& entry);

// Takes the entry out of every file, and puts the originals back where nobody else has changed
// the file since. Goes on after a failure; the error says everything that is left.
Result<void> remove_entry(const ConfigFiles& files);

}  // namespace fsm
