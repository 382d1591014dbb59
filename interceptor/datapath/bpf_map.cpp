#include "interceptor/datapath/bpf_map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <numeric>

#include "interceptor/datapath/map_limits.h"

namespace fsm {
namespace {

// The kernel's errno for unsupported map operations, which user-space headers do not define.
constexpr int kKernelNotSupported = 524;

constexpr std::uint32_t kBatch = 1024;
constexpr std::uint32_t kLargestBatch = 65536;

bool is_unsupported(int error) {
    return error == kKernelNotSupported || error == EOPNOTSUPP || error == EINVAL;
}

}  // namespace

Result<BpfMap> BpfMap::adopt(Fd fd) {
    bpf_map_info info{};
    std::uint32_t length = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd.get(), &info, &length) != 0) {
        return Error::from_errno("ask the kernel about a map");
    }
    const MapShape shape{info.type, info.key_size, info.value_size, info.max_entries,
                         info.map_flags};
    return BpfMap(std::move(fd), info.name, info.id, shape);
}

Result<BpfMap> BpfMap::open_pinned(const std::string& path) {
    Fd fd(bpf_obj_get(path.c_str()));
    if (!fd) {
        return Error::from_errno("open pinned map " + path);
    }
    auto map = adopt(std::move(fd));
    if (!map) {
        return std::move(map.error()).within(path);
    }
    return map;
}

Error BpfMap::error(const char* what) const {
    const int cause = errno;
    Error error = Error::from_errno(std::string(what) + " map " + name_, cause);
    if (cause == E2BIG || cause == ENOSPC) {
        const char* setting = setting_that_limits(name_);
        return Error(
            error.message() + " (the map is full with " + std::to_string(shape_.max_entries) +
                " entries" +
                (setting == nullptr ? ""
                                    : std::string("; raise ") + setting + " in the configuration") +
                ")",
            cause);
    }
    return error;
}

Result<bool> BpfMap::lookup_raw(const void* key, void* value) const {
    if (bpf_map_lookup_elem(fd_.get(), key, value) == 0) {
        return true;
    }
    if (errno == ENOENT) {
        return false;
    }
    return error("look up in");
}

Result<bool> BpfMap::put_raw(const void* key, const void* value, IfPresent if_present) const {
    const std::uint64_t flags = if_present == IfPresent::refuse ? BPF_NOEXIST : BPF_ANY;
    if (bpf_map_update_elem(fd_.get(), key, value, flags) == 0) {
        return true;
    }
    if (errno == EEXIST && if_present == IfPresent::refuse) {
        return false;
    }
    return error("write to");
}

Result<bool> BpfMap::remove_raw(const void* key) const {
    if (bpf_map_delete_elem(fd_.get(), key) == 0) {
        return true;
    }
    // A socket map returns EINVAL for a key without a socket.
    if (errno == ENOENT || (errno == EINVAL && shape_.type == BPF_MAP_TYPE_SOCKHASH)) {
        return false;
    }
    return error("delete from");
}

Result<std::vector<std::byte>> BpfMap::keys_raw() const {
    std::vector<std::byte> keys;
    std::vector<std::byte> next(shape_.key_size);
    const void* previous = nullptr;
    // A concurrently deleted key restarts the walk at the beginning: the bound ends it.
    for (std::uint64_t visited = 0; visited < 2ULL * shape_.max_entries; ++visited) {
        if (bpf_map_get_next_key(fd_.get(), previous, next.data()) != 0) {
            if (errno == ENOENT) {
                break;
            }
            return error("walk");
        }
        keys.insert(keys.end(), next.begin(), next.end());
        previous = keys.data() + keys.size() - shape_.key_size;
    }
    return keys;
}

Result<bool> BpfMap::visit_by_batch(const VisitRaw& visit) const {
    std::uint32_t size = std::min(kBatch, std::max(shape_.max_entries, 1U));
    std::vector<std::byte> position(std::max<std::size_t>(shape_.key_size, sizeof(std::uint64_t)));
    std::vector<std::byte> next(position.size());
    bool started = false;
    for (;;) {
        std::vector<std::byte> keys(std::size_t{size} * shape_.key_size);
        std::vector<std::byte> values(std::size_t{size} * shape_.value_size);
        std::uint32_t found = size;
        const int failed =
            bpf_map_lookup_batch(fd_.get(), started ? position.data() : nullptr, next.data(),
                                 keys.data(), values.data(), &found, nullptr);
        if (failed != 0 && errno == ENOSPC && size < kLargestBatch) {
            size *= 2;  // one hash bucket holds more than the batch
            continue;
        }
        if (failed != 0 && errno != ENOENT) {
            if (!started && is_unsupported(errno)) {
                return false;
            }
            return error("walk");
        }
        for (std::size_t at = 0; at < found; ++at) {
            visit(&keys[at * shape_.key_size], &values[at * shape_.value_size]);
        }
        if (failed != 0) {
            return true;
        }
        position.swap(next);
        started = true;
    }
}

Result<void> BpfMap::for_each_raw(const VisitRaw& visit) const {
    FSM_ASSIGN(const bool visited, visit_by_batch(visit));
    if (visited) {
        return {};
    }
    FSM_ASSIGN(const std::vector<std::byte> keys, keys_raw());
    std::vector<std::byte> value(shape_.value_size);
    for (std::size_t at = 0; at < keys.size(); at += shape_.key_size) {
        FSM_ASSIGN(const bool found, lookup_raw(&keys[at], value.data()));
        if (found) {
            visit(&keys[at], value.data());
        }
    }
    return {};
}

Result<std::uint64_t> BpfMap::count() const {
    switch (shape_.type) {
        case BPF_MAP_TYPE_ARRAY:
        case BPF_MAP_TYPE_PERCPU_ARRAY:
        case BPF_MAP_TYPE_PROG_ARRAY:
            return std::uint64_t{shape_.max_entries};
        case BPF_MAP_TYPE_SK_STORAGE:
            return std::uint64_t{0};
        case BPF_MAP_TYPE_HASH:
        case BPF_MAP_TYPE_LRU_HASH:
        case BPF_MAP_TYPE_LPM_TRIE: {
            std::uint64_t counted = 0;
            FSM_ASSIGN(const bool visited,
                       visit_by_batch([&](const void*, const void*) { ++counted; }));
            if (visited) {
                return counted;
            }
            break;
        }
        default:
            break;
    }
    FSM_ASSIGN(const std::vector<std::byte> keys, keys_raw());
    return keys.size() / shape_.key_size;
}

Result<std::uint64_t> BpfMap::sum_over_cpus(std::uint32_t index) const {
    const int cpus = libbpf_num_possible_cpus();
    if (cpus <= 0) {
        return Error::from_errno("count the possible CPUs", -cpus);
    }
    std::vector<std::uint64_t> values(static_cast<std::size_t>(cpus));
    FSM_TRY(lookup_raw(&index, values.data()));
    return std::accumulate(values.begin(), values.end(), std::uint64_t{0});
}

}  // namespace fsm
