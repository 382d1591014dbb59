// Errors as defined by the CNI specification 1.1 (section 5, "Error"): the interceptor returns them
// to the plugin, and the plugin to the container runtime, which shows "<msg>; <details>".
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace fsm::cni {

// Numbers below 100 are the specification's. Unknown codes from a peer are passed on unchanged.
enum class ErrorCode : int {
    incompatible_version = 1,
    invalid_environment = 4,
    io_failure = 5,
    undecodable = 6,
    invalid_config = 7,
    try_again_later = 11,
    unavailable = 50,           // STATUS: ADD cannot be served
    limited_connectivity = 51,  // STATUS: running pods are affected, too
    // Codes of this project.
    enrolment_failed = 100,  // also used for an answer without a code
    not_enrolled = 101,
    withdrawal_failed = 102,
    state_not_written = 103,
    collection_incomplete = 104,
};

struct Error {
    ErrorCode code;
    std::string message;  // one sentence
    std::string details;  // why, and what to do

    Error(ErrorCode error_code, std::string error_message, std::string error_details = "")
        : code(error_code), message(std::move(error_message)), details(std::move(error_details)) {}
};

// Success or an error. Must be checked, like Result.
class [[nodiscard]] Outcome {
  public:
    Outcome() = default;
    Outcome(Error error) : error_(std::move(error)) {}  // NOLINT: an error is an outcome

    explicit operator bool() const { return !error_.has_value(); }
    const Error& error() const { return *error_; }

  private:
    std::optional<Error> error_;
};

// The value or an error.
template <typename T>
class [[nodiscard]] Expected {
  public:
    Expected(T value) : content_(std::move(value)) {}      // NOLINT: a value is a result
    Expected(Error error) : content_(std::move(error)) {}  // NOLINT: an error is a result

    explicit operator bool() const { return std::holds_alternative<T>(content_); }
    T& operator*() { return std::get<T>(content_); }
    const T& operator*() const { return std::get<T>(content_); }
    T* operator->() { return &std::get<T>(content_); }
    const T* operator->() const { return &std::get<T>(content_); }
    const Error& error() const { return std::get<Error>(content_); }

  private:
    std::variant<T, Error> content_;
};

}  // namespace fsm::cni
