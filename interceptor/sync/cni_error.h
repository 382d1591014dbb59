// CniError: a failure in the form in which a CNI runtime hears of it.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "common/result.h"

namespace fsm {

// Numbers below 100 are those of the CNI specification 1.1, section "Error".
enum class CniErrorCode : int {
    invalid_environment = 4,
    undecodable = 6,
    invalid_config = 7,
    try_again_later = 11,
    unavailable = 50,
    limited_connectivity = 51,
    // Ours.
    enrolment_failed = 100,
    not_enrolled = 101,
    withdrawal_failed = 102,
    state_not_written = 103,
    collection_incomplete = 104,
};

struct CniError {
    CniErrorCode code;
    std::string message;  // one sentence
    std::string details;  // why, and what to do

    CniError(CniErrorCode error_code, std::string error_message, std::string error_details)
        : code(error_code), message(std::move(error_message)), details(std::move(error_details)) {}
};

// What a CNI operation came to: nullopt is success. Must be looked at, like Result.
class [[nodiscard]] CniOutcome {
  public:
    CniOutcome() = default;
    CniOutcome(CniError error) : error_(std::move(error)) {}  // NOLINT: an error is an outcome

    explicit operator bool() const { return !error_.has_value(); }
    const CniError& error() const { return *error_; }

  private:
    std::optional<CniError> error_;
};

}  // namespace fsm
