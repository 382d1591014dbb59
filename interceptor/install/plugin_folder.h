// The folder from which a runtime loads the plugins of a network whose configuration has no list of
// them: <directory of configurations>/<network>/*.conf, one plugin a file, called in the order of
// the names (CNI specification 1.1, `loadOnlyInlinedPlugins`; libcni 1.3 and later). Our entry is a
// file of its own there, which no other installer has a reason to write.
#pragma once

#include <string>

#include "common/result.h"
#include "interceptor/install/config_files.h"

namespace fsm {

// Whether a runtime can use the folder: another plugin than ours is there, and every file can be
// read. A folder with nothing but our entry is none: it is taken out, so that the runtime goes on
// to the next configuration.
Result<void> validate_folder(const ConfigFiles& folder);

struct FolderEntry {
    std::string name;       // of the file in the folder
    bool inserted = false;  // there was none before
};

// Puts `entry` (JSON) behind the other plugins of a valid folder, with mode and owner of `like`. An
// entry of ours under another name goes.
Result<FolderEntry> insert_into_folder(const ConfigFiles& folder, const ConfigFile& like,
                                       const std::string& entry);

// Takes every entry of ours out, and what an interrupted insertion left. No folder is no error.
Result<void> remove_from_folder(const ConfigFiles& folder);

}  // namespace fsm
