// Writes a .tar.gz: whole, or not at all.
#pragma once

#include <zlib.h>

#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "common/result.h"

namespace fsm::cli {

class Archive {
  public:
    // Only the user may read it. An error if the file exists. `folder`: every path is below it.
    static Result<Archive> create(const std::string& file, std::string folder, std::time_t time);

    // Without finish(), nothing stays.
    ~Archive();
    Archive(Archive&& other) noexcept;
    Archive& operator=(Archive&&) = delete;

    // `path` is relative. At most 100 bytes after its last slash that leaves 155 before it.
    Result<void> add(const std::string& path, std::string_view content);
    // The file has its name after this.
    Result<void> finish();

  private:
    using Stream = std::unique_ptr<gzFile_s, int (*)(gzFile)>;

    Archive(std::string file, std::string unfinished, std::string folder, std::time_t time,
            Stream stream)
        : file_(std::move(file)),
          unfinished_(std::move(unfinished)),
          folder_(std::move(folder)),
          time_(time),
          stream_(std::move(stream)) {}

    Result<void> write(std::string_view bytes);

    std::string file_;
    std::string unfinished_;  // empty: it is finished, or moved from
    std::string folder_;
    std::time_t time_;
    Stream stream_;
};

}  // namespace fsm::cli
