// The table of cases. Each is one behaviour of the socket interface; it runs in its own process
// with a time limit, once for each family that it names.
#pragma once

#include <vector>

#include "probe/context.h"

namespace fsm::test {

struct Case {
    std::string name;
    void (*run)(const Context&);
    std::vector<Family> families = {Family::v4, Family::v6, Family::mapped};
};

std::vector<Case> address_cases();
std::vector<Case> connect_cases();
std::vector<Case> bind_cases();
std::vector<Case> end_cases();
std::vector<Case> read_cases();
std::vector<Case> write_cases();
std::vector<Case> socket_kind_cases();

std::vector<Case> all_cases();

}  // namespace fsm::test
