// Texts that a runtime passes: shown in messages, and looked through.
#pragma once

#include <string>
#include <string_view>

namespace fsm::cni {

// In quotation marks, not longer than a line, and without what a terminal would act on.
std::string in_quotes(std::string_view text);

// White space of Unicode; `text` is valid UTF-8.
bool has_white_space(std::string_view text);

}  // namespace fsm::cni
