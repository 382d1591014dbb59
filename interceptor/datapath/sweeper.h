// Sweeper: removes what ended pods and connections have left.
//
// Threads: every function may be called from any thread; sweeps are serialised.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>

#include "common/result.h"
#include "interceptor/datapath/pins.h"
#include "interceptor/datapath/policy_store.h"
#include "interceptor/datapath/tc_flows.h"

namespace fsm {

class Sweeper {
  public:
    using WithdrawIfDead = std::function<Result<void>(std::uint64_t netns_cookie)>;

    // Everything that is passed by reference must outlive this object.
    Sweeper(PinTree tree, const TcFlows& flows, PolicyStore& policies,
            WithdrawIfDead withdraw_if_dead)
        : tree_(std::move(tree)),
          flows_(flows),
          policies_(policies),
          withdraw_if_dead_(std::move(withdraw_if_dead)) {}

    // Runs every part, whatever fails.
    Result<void> sweep();

  private:
    Result<void> withdraw_dead_pods();

    const PinTree tree_;
    const TcFlows& flows_;
    PolicyStore& policies_;
    const WithdrawIfDead withdraw_if_dead_;
    std::mutex sweeping_;  // locked before all other locks
};

}  // namespace fsm
