// Bounded reading of stdin and writing of stdout.
#pragma once

#include <string>
#include <string_view>

#include "cni-plugin/deadline.h"
#include "common/result.h"

namespace fsm::plugin {

// Far more than a network configuration with the attachments of a full node; in base64 it still
// fits into the interceptor's limit of 1 MiB.
inline constexpr std::size_t kMaxStdin = std::size_t{1} << 19;

// Reads until the end of the stream. Errors: EMSGSIZE, ETIMEDOUT (the writer has not closed its
// end), those of read(2).
Result<std::string> read_until_end(int fd, Deadline deadline);

Result<void> write_to(int fd, std::string_view text);

}  // namespace fsm::plugin
