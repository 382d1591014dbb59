// guarded(): wraps the main function of a thread. An exception that leaves a thread ends the
// process; guarded() turns it into an Error, which the thread reports before it continues.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "common/result.h"

namespace fsm {

// Returns the result of `work` (Result<void> or nothing); an exception becomes the error "<what>:
// unexpected error: ...".
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
