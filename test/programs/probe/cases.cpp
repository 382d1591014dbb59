#include "probe/cases.h"

namespace fsm::test {

std::vector<Case> all_cases() {
    std::vector<Case> all;
    for (const auto group : {address_cases, connect_cases, bind_cases, end_cases, read_cases,
                             write_cases, socket_kind_cases}) {
        for (Case& each : group()) {
            all.push_back(std::move(each));
        }
    }
    return all;
}

}  // namespace fsm::test
