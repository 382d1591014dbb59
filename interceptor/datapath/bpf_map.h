// BpfMap: owns a descriptor of a BPF map and gives typed access to its entries. Move-only.
//
// Keys and values are copied byte by byte: zero a key before its fields are set. Errors name the
// map.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/fd.h"
#include "common/result.h"

namespace fsm {

// The attributes that must be equal for a map to be reused.
struct MapShape {
    std::uint32_t type = 0;
    std::uint32_t key_size = 0;
    std::uint32_t value_size = 0;
    std::uint32_t max_entries = 0;
    std::uint32_t flags = 0;

    bool operator==(const MapShape&) const = default;
};

enum class IfPresent : std::uint8_t { replace, refuse };

class BpfMap {
  public:
    static Result<BpfMap> adopt(Fd fd);
    static Result<BpfMap> open_pinned(const std::string& path);

    int fd() const { return fd_.get(); }
    const std::string& name() const { return name_; }
    std::uint32_t id() const { return id_; }
    const MapShape& shape() const { return shape_; }

    template <typename Key, typename Value>
    Result<std::optional<Value>> lookup(const Key& key) const {
        static_assert(std::is_trivially_copyable_v<Key> && std::is_trivially_copyable_v<Value>);
        Value value{};
        FSM_ASSIGN(const bool found, lookup_raw(&key, &value));
        return found ? std::optional<Value>(value) : std::optional<Value>();
    }

    template <typename Key, typename Value>
    Result<void> put(const Key& key, const Value& value) const {
        FSM_TRY(put_raw(&key, &value, IfPresent::replace));
        return {};
    }

    // False: an entry existed, and was not changed.
    template <typename Key, typename Value>
    Result<bool> put_new(const Key& key, const Value& value) const {
        return put_raw(&key, &value, IfPresent::refuse);
    }

    // False: there was no such entry.
    template <typename Key>
    Result<bool> remove(const Key& key) const {
        return remove_raw(&key);
    }

    // Every key that exists during the whole walk: entries that are added or removed meanwhile may
    // be missing or appear twice.
    template <typename Key>
    Result<std::vector<Key>> keys() const {
        std::vector<Key> keys;
        FSM_ASSIGN(const std::vector<std::byte> bytes, keys_raw());
        keys.resize(bytes.size() / sizeof(Key));
        if (!keys.empty()) {  // memcpy(3) must not get a null pointer, even for size 0
            std::memcpy(static_cast<void*>(keys.data()), bytes.data(), keys.size() * sizeof(Key));
        }
        return keys;
    }

    // Every key with its value, with as few calls as possible; as keys() for concurrent changes.
    template <typename Key, typename Value>
    Result<std::vector<std::pair<Key, Value>>> entries() const {
        std::vector<std::pair<Key, Value>> entries;
        FSM_TRY(for_each_raw([&](const void* key, const void* value) {
            auto& entry = entries.emplace_back();
            std::memcpy(&entry.first, key, sizeof(Key));
            std::memcpy(&entry.second, value, sizeof(Value));
        }));
        return entries;
    }

    // The number of entries; an array counts as full, and socket storage, which cannot be walked,
    // as empty.
    Result<std::uint64_t> count() const;
    // The sum over all CPUs of one element of a per-CPU array of 64-bit counters.
    Result<std::uint64_t> sum_over_cpus(std::uint32_t index) const;

    Result<bool> lookup_raw(const void* key, void* value) const;
    Result<bool> put_raw(const void* key, const void* value, IfPresent if_present) const;
    Result<bool> remove_raw(const void* key) const;
    // Keys of shape().key_size bytes each, concatenated.
    Result<std::vector<std::byte>> keys_raw() const;

  private:
    BpfMap(Fd fd, std::string name, std::uint32_t id, const MapShape& shape)
        : fd_(std::move(fd)), name_(std::move(name)), id_(id), shape_(shape) {}

    Error error(const char* what) const;
    using VisitRaw = std::function<void(const void* key, const void* value)>;
    Result<void> for_each_raw(const VisitRaw& visit) const;
    // False: this kernel does not support batches for maps of this type.
    Result<bool> visit_by_batch(const VisitRaw& visit) const;

    Fd fd_;
    std::string name_;
    std::uint32_t id_;
    MapShape shape_;
};

}  // namespace fsm
