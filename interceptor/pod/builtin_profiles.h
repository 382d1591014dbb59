// The texts of profiles/*.yaml, compiled in so that the binary works without any file.
#pragma once

#include <span>
#include <string_view>

namespace fsm {

struct BuiltinProfile {
    std::string_view name;
    std::string_view text;
};

std::span<const BuiltinProfile> builtin_profiles();

}  // namespace fsm
