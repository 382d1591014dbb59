// A directory that is removed with its contents.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace fsm::testing {

class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::string path = std::filesystem::temp_directory_path() / "fsm-kubernetes-XXXXXX";
        if (mkdtemp(path.data()) == nullptr) {
            ADD_FAILURE() << "cannot make " << path;
        }
        path_ = path;
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    const std::string& path() const { return path_; }
    // Returns the file's path.
    std::string write(const std::string& name, const std::string& text) const {
        const std::string path = path_ + "/" + name;
        std::ofstream(path) << text;
        return path;
    }

  private:
    std::string path_;
};

}  // namespace fsm::testing
