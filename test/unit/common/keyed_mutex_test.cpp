#include "common/keyed_mutex.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace fsm {
namespace {

using Keys = std::set<std::string>;

// Each thread needs its neighbours' keys: locking them one after the other would deadlock.
TEST(KeyedMutex, SeveralKeysAtOnceAreNoDeadlock) {
    constexpr int kRounds = 2000;
    const std::array<Keys, 3> wanted = {Keys{"a", "b"}, Keys{"b", "c"}, Keys{"c", "a"}};
    KeyedMutex<std::string> mutex;
    std::array<int, 3> pairs{};  // how often both keys of a thread were held
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        threads.emplace_back([&, i] {
            for (int round = 0; round < kRounds; ++round) {
                const auto locks = mutex.lock_all(wanted[i]);
                pairs[i] += static_cast<int>(locks.size());
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    for (const int count : pairs) {
        EXPECT_EQ(count, 2 * kRounds);
    }
}

TEST(KeyedMutex, HoldsEachOfSeveralKeysUntilTheEnd) {
    KeyedMutex<std::string> mutex;
    {
        const auto locks = mutex.lock_all({"a", "b"});
        for (const char* key : {"a", "b"}) {
            std::thread([&] { EXPECT_FALSE(mutex.try_lock(key)); }).join();
        }
        std::thread([&] { EXPECT_TRUE(mutex.try_lock("c")); }).join();
    }
    EXPECT_TRUE(mutex.try_lock("a"));
    EXPECT_TRUE(mutex.try_lock("b"));
}

}  // namespace
}  // namespace fsm
