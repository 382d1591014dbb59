// What tells one boot of the machine from another: cookies and inodes start over with each.
#pragma once

#include <string>

#include "common/result.h"

namespace fsm {

// /proc/sys/kernel/random/boot_id.
Result<std::string> current_boot_id();

}  // namespace fsm
