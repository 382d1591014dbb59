// Switches: annotations and environment variables with on and off values. Internal to this folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "interceptor/pod/annotation_values.h"
#include "interceptor/pod/mesh_profile.h"

namespace fsm {

enum class Switch : std::uint8_t { unsaid, enabled, disabled };

// A value that the rule does not list is reported, and ignored.
Switch read_switch(const AnnotationRule& rule, std::string_view text, Problems& problems);

// Whether the container has the variable with one of the values, in any letter case.
bool says(const Container& container, const std::string& variable,
          const std::vector<std::string>& values);

}  // namespace fsm
