#include "common/failures.h"

#include <algorithm>

namespace fsm {

void Failures::note(const Error& error) {
    errno_value_ = count_ == 0 || errno_value_ == error.errno_value() ? error.errno_value() : 0;
    ++count_;
    if (std::find(kept_.begin(), kept_.end(), error.message()) != kept_.end()) {
        return;
    }
    if (kept_.size() < kKept) {
        kept_.push_back(error.message());
    } else {
        ++beside_;
    }
}

Result<void> Failures::result() const {
    if (empty()) {
        return {};
    }
    std::string text;
    for (const std::string& message : kept_) {
        text += (text.empty() ? "" : "; ") + message;
    }
    if (beside_ != 0) {
        text += "; and " + std::to_string(beside_) + " more";
    }
    return Error(text, errno_value_);
}

Result<void> Failures::result(std::string_view context) const {
    auto outcome = result();
    return outcome ? std::move(outcome) : std::move(outcome.error()).within(context);
}

}  // namespace fsm
