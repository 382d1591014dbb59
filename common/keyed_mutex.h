// KeyedMutex: one lock per key, created on demand and removed with its last user, so that slow work
// on one container never delays another.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace fsm {

template <typename Key>
class KeyedMutex {
    struct Entry {
        std::mutex mutex;
        unsigned users = 0;
    };

  public:
    // Holds the lock of one key until destroyed. Must not outlive the KeyedMutex.
    class Guard {
      public:
        Guard(Guard&& other) noexcept
            : owner_(std::exchange(other.owner_, nullptr)),
              key_(std::move(other.key_)),
              entry_(other.entry_) {}
        Guard& operator=(Guard&&) = delete;
        Guard(const Guard&) = delete;
        Guard& operator=(const Guard&) = delete;
        ~Guard() {
            if (owner_ != nullptr) {
                entry_->mutex.unlock();
                owner_->release(key_);
            }
        }
        // False only if try_lock() found the lock held by another thread.
        explicit operator bool() const { return owner_ != nullptr; }

      private:
        friend class KeyedMutex;
        Guard(KeyedMutex* owner, Key key, Entry* entry)
            : owner_(owner), key_(std::move(key)), entry_(entry) {}

        KeyedMutex* owner_;
        Key key_;
        Entry* entry_;
    };

    [[nodiscard]] Guard lock(const Key& key) {
        Entry& entry = acquire(key);
        entry.mutex.lock();
        return Guard(this, key, &entry);
    }

    // Locks several keys at once, in a fixed order, so that two callers cannot deadlock. A caller
    // that already holds a lock must not call this or lock(): it releases its locks first and then
    // requests all that it needs.
    [[nodiscard]] std::vector<Guard> lock_all(const std::set<Key>& keys) {
        std::vector<Guard> guards;
        guards.reserve(keys.size());
        for (const Key& key : keys) {
            guards.push_back(lock(key));
        }
        return guards;
    }

    [[nodiscard]] Guard try_lock(const Key& key) {
        Entry& entry = acquire(key);
        if (entry.mutex.try_lock()) {
            return Guard(this, key, &entry);
        }
        release(key);
        return Guard(nullptr, key, nullptr);
    }

  private:
    Entry& acquire(const Key& key) {
        const std::lock_guard guard(mutex_);
        Entry& entry = entries_[key];
        ++entry.users;
        return entry;
    }

    void release(const Key& key) {
        const std::lock_guard guard(mutex_);
        const auto found = entries_.find(key);
        if (--found->second.users == 0) {
            entries_.erase(found);
        }
    }

    std::mutex mutex_;
    std::map<Key, Entry> entries_;  // std::map: node addresses are stable
};

}  // namespace fsm
