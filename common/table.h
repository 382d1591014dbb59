// Formats rows of text as aligned columns, as kubectl prints them.
#pragma once

#include <string>
#include <vector>

namespace fsm {

// Every row has as many cells as the first one, which is the header.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace fsm
