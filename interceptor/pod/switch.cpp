#include "interceptor/pod/switch.h"

#include <algorithm>

#include "common/text.h"

namespace fsm {

namespace {

bool has_word(const std::vector<std::string>& words, std::string_view word) {
    return std::any_of(words.begin(), words.end(),
                       [&](const std::string& each) { return same_word(each, word); });
}

}  // namespace

Switch read_switch(const AnnotationRule& rule, std::string_view text, Problems& problems) {
    const std::string_view value = trimmed(text);
    if (has_word(rule.enabled, value)) {
        return Switch::enabled;
    }
    if (has_word(rule.disabled, value)) {
        return Switch::disabled;
    }
    std::string what = in_quotes(value) + " is not one of " + joined(rule.enabled) + ", " +
                       joined(rule.disabled) + "; it is ignored";
    problems.add(rule.reason.empty() ? what : what + " (" + rule.reason + ")");
    return Switch::unsaid;
}

bool says(const Container& container, const std::string& variable,
          const std::vector<std::string>& values) {
    const auto found = container.environment.find(variable);
    return found != container.environment.end() && has_word(values, trimmed(found->second));
}

}  // namespace fsm
