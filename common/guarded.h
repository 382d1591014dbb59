// guarded(): the outermost call of a thread of its own. An exception that leaves a thread ends the
// whole process; here it becomes an Error, which the thread reports before it goes on.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "common/result.h"

namespace fsm {

// What `work` answers (Result<void> or nothing); an exception is "<what>: unexpected error: ...".
template <typename Work>
Result<void> guarded(std::string_view what, Work&& work) {
    const auto unexpected = [&](std::string_view why) {
        return Error(std::string(what) + ": unexpected error: " + std::string(why));
    };
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<Work>>) {
            std::forward<Work>(work)();
            return {};
        } else {
            return std::forward<Work>(work)();
        }
    } catch (const std::exception& failure) {
        return unexpected(failure.what());
    } catch (...) {
        return unexpected("an exception of an unknown type");
    }
}

}  // namespace fsm
