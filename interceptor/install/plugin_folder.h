// The folder from which a runtime loads the plugins of a network whose configuration has no list of
// them: <directory of configurations>/<network>/*.conf, one plugin per file, called in the order of
// the names (CNI specification 1.1, `loadOnlyInlinedPlugins`; libcni 1.3 and later). Our entry is a
// separate file there, so that other installers have no reason to write it.
#pragma once

#include <string>

#include "common/result.h"
#include "interceptor/install/config_files.h"

namespace fsm {

// Whether a runtime can use the folder: it contains another plugin than ours, and every file is
// valid. A folder with our entry only does not count: the entry is removed, so that the runtime
// uses the next configuration.
Result<void> validate_folder(const ConfigFiles& folder);

struct FolderEntry {
    std::string name;       // of the file in the folder
    bool inserted = false;  // by this call
};

// Adds `entry` (JSON) after the other plugins of a valid folder, with mode and owner of `like`.
// Removes our entry under other names.
Result<FolderEntry> insert_into_folder(const ConfigFiles& folder, const ConfigFile& like,
                                       const std::string& entry);

// Removes every entry of ours, and files of an interrupted insertion. Succeeds without a folder.
Result<void> remove_from_folder(const ConfigFiles& folder);

}  // namespace fsm
