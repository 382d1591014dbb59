/* SPDX-License-Identifier: GPL-2.0-only */
/* The loaded features besides interception itself. User space sets these before loading; the
 * verifier treats them as constants and drops the code of features that are not loaded, with its
 * maps. Checked directly before such a map is used. */
#ifndef FSM_BPF_FEATURES_H
#define FSM_BPF_FEATURES_H

#include "maps.h"

const volatile __u32 fsm_acceleration __weak = 1;
const volatile __u32 fsm_inbound_tc __weak = 1;
const volatile __u32 fsm_events_told __weak = 1;

#endif
