// The contract's failures (common/cni/error.h) under the names that the interceptor has for them.
#pragma once

#include "common/cni/error.h"

namespace fsm {

using CniError = cni::Error;
using CniErrorCode = cni::ErrorCode;
using CniOutcome = cni::Outcome;

}  // namespace fsm
