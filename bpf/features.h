/* SPDX-License-Identifier: GPL-2.0-only */
/* Which features are loaded beside interception itself. User space sets these before loading; the
 * verifier takes them for constants and drops what a feature that is not loaded would do, with its
 * maps. Asked right before such a map is used. */
#ifndef FSM_BPF_FEATURES_H
#define FSM_BPF_FEATURES_H

#include "maps.h"

const volatile __u32 fsm_acceleration __weak = 1;
const volatile __u32 fsm_inbound_tc __weak = 1;
const volatile __u32 fsm_events_told __weak = 1;

#endif
