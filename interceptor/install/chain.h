// Inserts our entry into the chain of CNI plugins that a container runtime uses, and removes it.
#pragma once

#include <string>
#include <vector>

#include "common/problem.h"
#include "common/result.h"
#include "interceptor/install/config_files.h"

namespace fsm {

struct ChainState {
    std::string file;       // where the entry is now, below the directory; empty: nowhere yet
    bool inserted = false;  // by this call
    std::string folder;     // of plugins, when the entry is in one, below the directory
    std::vector<Problem> problems;  // files before it that no runtime can use, by their names
};

// Which configuration gets the entry.
struct ChainTarget {
    // The name of a file, or of a network; empty: the first configuration that a runtime can use.
    std::string name;
};

// Ensures that the target has `entry` (JSON), and, if the target is named, that no other file has
// it. Writes only what differs. Fails with ESTALE if another program is writing the file: try
// again.
//
// A chain (NAME.conflist) gets the entry in its list, or in the folder from which it loads its
// plugins. A single plugin (NAME.conf) is replaced by a chain with the same name and version. But
// if the target names its file, its author is assumed to open it by that name: the file stays, and
// the chain is a separate file that runtimes read first and that follows its changes.
Result<ChainState> insert_entry(const ConfigFiles& files, const std::string& entry,
                                const ChainTarget& target = {});

// Removes the entry from every file, and restores the originals if no other program has changed the
// file since. Continues after a failure; the error lists everything that is left.
Result<void> remove_entry(const ConfigFiles& files);

}  // namespace fsm
