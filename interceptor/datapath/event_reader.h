// EventReader: reads the programs' events from their ring buffer (bpf/events.h).
//
// Threads: every function may be called from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "common/result.h"
#include "interceptor/datapath/bpf_map.h"
#include "interceptor/interception/maintenance.h"

struct ring_buffer;

namespace fsm {

class EventReader {
  public:
    // The map must outlive this.
    static Result<std::unique_ptr<EventReader>> open(const BpfMap& ring);
    ~EventReader();
    EventReader(const EventReader&) = delete;
    EventReader& operator=(const EventReader&) = delete;

    // The events since the last call, one entry per pod and kind.
    std::vector<PodEvent> take();

  private:
    EventReader() = default;
    static int note(void* reader, void* data, std::size_t size);

    std::mutex mutex_;
    ring_buffer* ring_ = nullptr;
    // The number of events, by pod and kind.
    std::map<std::pair<std::uint64_t, std::uint32_t>, std::uint64_t> noted_;
};

}  // namespace fsm
