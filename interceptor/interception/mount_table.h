// The mounts that a process sees.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace fsm {

struct Mount {
    std::string root;  // the part of the file system that is mounted, "/" for all of it
    std::string point;
    std::string type;
};

// The lines of a mountinfo file (proc(5)); octal escapes in paths are resolved.
std::vector<Mount> parse_mountinfo(std::string_view text);
Result<std::vector<Mount>> read_mounts(const std::string& mountinfo_path);

}  // namespace fsm
