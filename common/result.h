// Result<T>: the value of an operation, or the Error that explains why there is none.
//
// No function of this project throws for a failure that a user or a kernel can cause; exceptions of
// libraries are caught where the library is called. A Result must be checked ([[nodiscard]]). The
// text of an Error goes from the general to the specific ("enrol pod a/b: attach sk_lookup to
// /run/netns/x: Operation not permitted"): each layer adds its context in front.
#pragma once

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace fsm {

class [[nodiscard]] Error {
  public:
    explicit Error(std::string message, int errno_value = 0)
        : message_(std::move(message)), errno_value_(errno_value) {}

    // Made from errno directly after a failed call: "<what>: <strerror>".
    static Error from_errno(std::string_view what, int errno_value = errno) {
        return Error(std::string(what) + ": " + std::strerror(errno_value), errno_value);
    }

    const std::string& message() const { return message_; }
    // 0 if the failure does not come from a system call.
    int errno_value() const { return errno_value_; }

    Error within(std::string_view context) && {
        message_ = std::string(context) + ": " + message_;
        return std::move(*this);
    }

  private:
    std::string message_;
    int errno_value_;
};

template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : value_(std::move(value)) {}      // NOLINT: a value is a result
    Result(Error error) : error_(std::move(error)) {}  // NOLINT: an error is a result

    explicit operator bool() const { return value_.has_value(); }
    T& operator*() & { return *value_; }
    const T& operator*() const& { return *value_; }
    T&& operator*() && { return std::move(*value_); }
    T* operator->() { return &*value_; }
    const T* operator->() const { return &*value_; }
    Error& error() { return *error_; }
    const Error& error() const { return *error_; }

  private:
    std::optional<T> value_;
    std::optional<Error> error_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}  // NOLINT: an error is a result

    explicit operator bool() const { return !error_.has_value(); }
    Error& error() { return *error_; }
    const Error& error() const { return *error_; }

  private:
    std::optional<Error> error_;
};

}  // namespace fsm

// FSM_TRY(expr): returns the error of a failed Result<void> (or of any Result whose value is not
// needed) from the calling function.
#define FSM_TRY(expr)                                 \
    do {                                              \
        auto fsm_try_result = (expr);                 \
        if (!fsm_try_result) {                        \
            return std::move(fsm_try_result.error()); \
        }                                             \
    } while (false)

#define FSM_CONCAT_(a, b) a##b
#define FSM_CONCAT(a, b) FSM_CONCAT_(a, b)

// FSM_ASSIGN(auto fd, open_it()): declares or assigns the value, or returns the error from the
// calling function.
#define FSM_ASSIGN(target, expr)                                     \
    auto FSM_CONCAT(fsm_assign_, __LINE__) = (expr);                 \
    if (!FSM_CONCAT(fsm_assign_, __LINE__)) {                        \
        return std::move(FSM_CONCAT(fsm_assign_, __LINE__).error()); \
    }                                                                \
    target = std::move(*FSM_CONCAT(fsm_assign_, __LINE__))  // NOLINT: target may be a declaration
