// The errors of the protocol (common/cni/error.h) under the interceptor's names.
#pragma once

#include "common/cni/error.h"

namespace fsm {

using CniError = cni::Error;
using CniErrorCode = cni::ErrorCode;
using CniOutcome = cni::Outcome;

}  // namespace fsm
