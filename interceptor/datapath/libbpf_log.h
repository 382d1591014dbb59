// What libbpf has to say: its log, collected per thread for the errors of this folder.
//
// libbpf reports the cause of a refused program (the verifier's log) by a process-wide callback
// only. While a LibbpfLog lives, what libbpf says on the same thread is kept; outside of one it is
// dropped.
#pragma once

#include <string>

#include "common/result.h"

namespace fsm {

class LibbpfLog {
  public:
    LibbpfLog();
    ~LibbpfLog();
    LibbpfLog(const LibbpfLog&) = delete;
    LibbpfLog& operator=(const LibbpfLog&) = delete;

    // "<what>: <strerror>", followed by the end of what libbpf logged, if anything.
    Error error(const std::string& what, int errno_value) const;

  private:
    std::string text_;
    std::string* outer_;
};

}  // namespace fsm
