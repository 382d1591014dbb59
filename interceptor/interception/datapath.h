// Datapath: everything that a mode of interception does. The code that opens a mode sees it whole;
// the code that uses one takes the narrow interface that it needs.
#pragma once

#include "interceptor/interception/container_registry.h"
#include "interceptor/interception/inspection.h"
#include "interceptor/interception/maintenance.h"
#include "interceptor/interception/pod_interception.h"

namespace fsm {

class Datapath : public PodInterception,
                 public ContainerRegistry,
                 public Maintenance,
                 public Inspection {};

}  // namespace fsm
