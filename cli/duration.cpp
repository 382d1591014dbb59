#include "cli/duration.h"

#include <charconv>

namespace fsm::cli {

namespace {

constexpr long long kSecondsOfDay = 24LL * 60 * 60;

long long seconds_of(char unit) {
    switch (unit) {
        case 'h':
            return 3600;
        case 'm':
            return 60;
        case 's':
            return 1;
        default:
            return 0;
    }
}

}  // namespace

Result<std::chrono::seconds> parse_duration(const std::string& text) {
    const Error wrong("\"" + text +
                      "\" is not a time between 1s and 24h, such as 90s, 5m or 1h30m");
    long long total = 0;
    const char* at = text.data();
    const char* const last = at + text.size();
    while (at != last) {
        long long count = 0;
        const auto [end, failure] = std::from_chars(at, last, count);
        const long long unit = end == last ? 0 : seconds_of(*end);
        if (failure != std::errc() || unit == 0 || count < 0 || count > kSecondsOfDay) {
            return wrong;
        }
        total += count * unit;
        at = end + 1;
    }
    if (total < 1 || total > kSecondsOfDay) {
        return wrong;
    }
    return std::chrono::seconds(total);
}

std::string to_text(std::chrono::seconds time) {
    long long left = time.count();
    std::string text;
    for (const char unit : {'h', 'm', 's'}) {
        if (left >= seconds_of(unit)) {
            text += std::to_string(left / seconds_of(unit)) + unit;
            left %= seconds_of(unit);
        }
    }
    return text.empty() ? "0s" : text;
}

}  // namespace fsm::cli
