#include "relay/report.h"

#include <fcntl.h>

#include <cstdio>

namespace fsm::test {

namespace {

std::string quoted(const Result<Endpoint>& answer) {
    return "\"" + (answer ? answer->to_string() : errno_name(answer.error().errno_value())) + "\"";
}

}  // namespace

Result<Reporter> Reporter::open(const Config& config) {
    Reporter reporter;
    if (!config.report_path) {
        return reporter;
    }
    reporter.fd_ = *config.report_path == "-"
                       ? Fd(::dup(STDOUT_FILENO))
                       : Fd(::open(config.report_path->c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!reporter.fd_) {
        return Error::from_errno("open the report " + *config.report_path);
    }
    return reporter;
}

void Reporter::report(const Observation& observation) const {
    if (!fd_) {
        return;
    }
    const std::string line = "{\"listener\": \"" + std::string(to_string(observation.direction)) +
                             "\", \"accept\": \"" + observation.accepted.to_string() +
                             "\", \"getpeername\": " + quoted(observation.peer) +
                             ", \"getsockname\": " + quoted(observation.local) +
                             ", \"original_dst\": " + quoted(observation.original) + "}\n";
    if (::write(fd_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
        std::perror("relay: write the report");
    }
}

}  // namespace fsm::test
