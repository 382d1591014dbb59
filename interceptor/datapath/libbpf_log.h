// libbpf's log, collected per thread for the errors of this folder.
//
// libbpf reports the cause of a refused program (the verifier's log) only by a process-wide
// callback. While a LibbpfLog exists, libbpf's output on the same thread is kept; otherwise it is
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

    // "<what>: <strerror>", followed by the end of libbpf's output, if any.
    Error error(const std::string& what, int errno_value) const;

  private:
    std::string text_;
    std::string* outer_;
};

}  // namespace fsm
