// InputFile: the input as a file, for readers that take a path.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/fd.h"
#include "test/fuzz/check.h"

namespace fsm::fuzz {

class InputFile {
  public:
    InputFile(const std::uint8_t* data, std::size_t size)
        : file_(memfd_create("input", MFD_CLOEXEC)) {
        require(file_ && write(file_.get(), data, size) == static_cast<ssize_t>(size));
    }

    std::string path() const { return "/proc/self/fd/" + std::to_string(file_.get()); }

  private:
    Fd file_;
};

}  // namespace fsm::fuzz
