#include "interceptor/datapath/event_reader.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>

#include "bpf/events.h"

namespace fsm {
namespace {

const char* text_of(std::uint32_t kind) {
    switch (kind) {
        case FSM_EVENT_CONNECT_OVER_SHARE:
            return "its connections are refused: as many as one pod may have are in handshake "
                   "(an eighth of maxConnections)";
        default:
            return "the programs tell of something that this interceptor does not know";
    }
}

}  // namespace

Result<std::unique_ptr<EventReader>> EventReader::open(const BpfMap& ring) {
    std::unique_ptr<EventReader> reader(new EventReader());
    reader->ring_ = ring_buffer__new(ring.fd(), note, reader.get(), nullptr);
    if (reader->ring_ == nullptr) {
        return Error::from_errno("read the events of the programs");
    }
    return reader;
}

EventReader::~EventReader() {
    ring_buffer__free(ring_);
}

int EventReader::note(void* reader, void* data, std::size_t size) {
    fsm_event event{};
    if (size >= sizeof(event)) {
        std::memcpy(&event, data, sizeof(event));
        ++static_cast<EventReader*>(reader)->noted_[{event.netns_cookie, event.kind}];
    }
    return 0;
}

std::vector<PodEvent> EventReader::take() {
    const std::lock_guard guard(mutex_);
    // An error is one of note(), which has none.
    static_cast<void>(ring_buffer__consume(ring_));
    std::vector<PodEvent> events;
    for (const auto& [what, times] : noted_) {
        events.push_back({what.first, text_of(what.second), times});
    }
    noted_.clear();
    return events;
}

}  // namespace fsm
