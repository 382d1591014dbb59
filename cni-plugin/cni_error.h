// What a CNI plugin answers when it fails: the error object of the CNI specification 1.1, section 5
// ("Error"). The runtime shows "<msg>; <details>" to its user.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace fsm {

// Codes up to 99 are the specification's, 100 and above are a plugin's own.
inline constexpr unsigned kCniIncompatibleVersion = 1;
inline constexpr unsigned kCniInvalidEnvironment = 4;
inline constexpr unsigned kCniIoFailure = 5;
inline constexpr unsigned kCniDecodingFailure = 6;
inline constexpr unsigned kCniInvalidConfig = 7;
inline constexpr unsigned kCniTryAgainLater = 11;
inline constexpr unsigned kCniUnavailable = 50;          // STATUS: ADD cannot be served
inline constexpr unsigned kCniLimitedConnectivity = 51;  // STATUS: existing pods suffer too
inline constexpr unsigned kCniInterceptorFailure =
    100;  // an answer that carries no code of its own

struct CniError {
    unsigned code = 0;
    std::string message;
    std::string details;
};

// The value, or the error that the runtime is to see.
template <typename T>
class [[nodiscard]] CniResult {
  public:
    CniResult(T value) : content_(std::move(value)) {}         // NOLINT: a value is a result
    CniResult(CniError error) : content_(std::move(error)) {}  // NOLINT: an error is a result

    explicit operator bool() const { return std::holds_alternative<T>(content_); }
    T& operator*() { return std::get<T>(content_); }
    T* operator->() { return &std::get<T>(content_); }
    CniError& error() { return std::get<CniError>(content_); }

  private:
    std::variant<T, CniError> content_;
};

}  // namespace fsm
