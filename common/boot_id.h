// Identifies one boot of the machine: netns cookies and inode numbers are reused after a reboot.
#pragma once

#include <string>

#include "common/result.h"

namespace fsm {

// /proc/sys/kernel/random/boot_id.
Result<std::string> current_boot_id();

}  // namespace fsm
