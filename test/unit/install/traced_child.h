// Runs a function in a child process and stops it at every system call: to end it there, like a
// crash, or to record its operations on files.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace fsm::testing {

struct FileOperation {
    enum class Kind { write, sync, rename, link, unlink } kind;
    std::string path;
    std::string target;  // of rename and link

    bool operator==(const FileOperation&) const = default;
};

struct ChildRun {
    bool ended_by_itself = false;
    bool succeeded = false;  // the result of `work`, if it completed
    std::vector<FileOperation> operations;
};

// `work` is killed before its system call number `limit` (from 1); 0: never.
ChildRun run_traced(const std::function<bool()>& work, unsigned limit);

}  // namespace fsm::testing
