// The deadline of a verb.
#pragma once

#include "common/http/unix_client.h"

namespace fsm::plugin {

using http::Deadline;

}  // namespace fsm::plugin
