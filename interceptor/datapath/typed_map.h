// TypedMap: a BPF map with typed keys and values. The sizes are checked once, when it is made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/result.h"
#include "interceptor/datapath/bpf_map.h"

namespace fsm {

// Copies refer to the same map, which must outlive them.
template <typename Key, typename Value>
class TypedMap {
  public:
    static Result<TypedMap> of(const BpfMap& map) {
        const MapShape& shape = map.shape();
        if (shape.key_size != sizeof(Key) || shape.value_size != sizeof(Value)) {
            return Error("map " + map.name() + " has keys of " + std::to_string(shape.key_size) +
                         " and values of " + std::to_string(shape.value_size) + " bytes, not " +
                         std::to_string(sizeof(Key)) + " and " + std::to_string(sizeof(Value)));
        }
        return TypedMap(map);
    }

    const std::string& name() const { return map_->name(); }

    Result<std::optional<Value>> lookup(const Key& key) const {
        return map_->lookup<Key, Value>(key);
    }
    Result<void> put(const Key& key, const Value& value) const { return map_->put(key, value); }
    // False: an entry existed, and was not changed.
    Result<bool> put_new(const Key& key, const Value& value) const {
        return map_->put_new(key, value);
    }
    // False: there was no such entry.
    Result<bool> remove(const Key& key) const { return map_->remove(key); }
    // As BpfMap::keys() and entries() for concurrent changes.
    Result<std::vector<Key>> keys() const { return map_->keys<Key>(); }
    Result<std::vector<std::pair<Key, Value>>> entries() const {
        return map_->entries<Key, Value>();
    }

  private:
    explicit TypedMap(const BpfMap& map) : map_(&map) {}

    const BpfMap* map_;
};

}  // namespace fsm
