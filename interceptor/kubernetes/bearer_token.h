// BearerToken: the token that is sent with each request; a token in a file is read again when it
// rotates.
#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include "common/result.h"
#include "interceptor/kubernetes/cluster_access.h"

namespace fsm {

// Threads: every function may be called from any thread.
class BearerToken {
  public:
    // `lifetime`: how long a token is used before its file is read again.
    explicit BearerToken(Credential token,
                         std::chrono::milliseconds lifetime = std::chrono::minutes(1))
        : token_(std::move(token)), lifetime_(lifetime) {}

    // Empty if there is none. A file that cannot be read is an Error only if no earlier token is
    // known.
    Result<std::string> get();

    // The server refused `used`. Returns true if the file now contains another token: try again
    // with it.
    bool renew(const std::string& used);

  private:
    Result<void> read_again();  // with the lock held

    const Credential token_;
    const std::chrono::milliseconds lifetime_;
    std::mutex mutex_;
    std::string text_;
    std::chrono::steady_clock::time_point read_at_{};
};

}  // namespace fsm
