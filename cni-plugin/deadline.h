// The moment by which a verb is done, one way or the other.
#pragma once

#include "common/http/unix_client.h"

namespace fsm::plugin {

using http::Deadline;

}  // namespace fsm::plugin
