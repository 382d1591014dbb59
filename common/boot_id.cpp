#include "common/boot_id.h"

#include "common/file.h"

namespace fsm {

Result<std::string> current_boot_id() {
    constexpr std::size_t kBootIdLimit = 128;
    FSM_ASSIGN(auto text, read_file("/proc/sys/kernel/random/boot_id", kBootIdLimit));
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    return text;
}

}  // namespace fsm
