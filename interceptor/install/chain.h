// Our entry in the chain of CNI plugins that a container runtime uses: put in, and taken out.
#pragma once

#include <string>
#include <vector>

#include "common/problem.h"
#include "common/result.h"
#include "interceptor/install/config_files.h"

namespace fsm {

struct ChainState {
    std::string file;       // where the entry is now, below the directory; empty: nowhere yet
    bool inserted = false;  // by this very call
    std::string folder;     // of plugins, when the entry is in one, below the directory
    std::vector<Problem> problems;  // files before it that no runtime can use, by their names
};

// Which configuration gets the entry.
struct ChainTarget {
    // The name of a file, or of a network; empty: the first configuration that a runtime can use.
    std::string name;
};

// Makes sure that the target has `entry` (JSON), and, where it is named, that no other file has it.
// What is as it should be is not written. Fails with ESTALE when another program is writing the
// file: try again.
//
// A chain (NAME.conflist) gets the entry in its list, or in the folder that it loads its plugins
// from. A single plugin (NAME.conf) becomes a chain with the same name and version, in its place;
// but where the target names its file, its author is taken to open it by that name: it stays, and
// the chain is a file of its own that runtimes read before it and that follows its changes.
Result<ChainState> insert_entry(const ConfigFiles& files, const std::string& entry,
                                const ChainTarget& target = {});

// Takes the entry out of every file, and puts the originals back where nobody else has changed
// the file since. Goes on after a failure; the error says everything that is left.
Result<void> remove_entry(const ConfigFiles& files);

}  // namespace fsm
