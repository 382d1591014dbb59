#include "interceptor/kubernetes/bearer_token.h"

#include <algorithm>

namespace fsm {

namespace {

using Clock = std::chrono::steady_clock;

// Files often end with a line break, which would end the HTTP header.
Result<std::string> as_header_value(std::string text, const std::string& origin) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
        text.pop_back();
    }
    const bool clean =
        std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (text.empty() || !clean) {
        return Error(origin + " does not hold a token", EINVAL);
    }
    return text;
}

}  // namespace

Result<void> BearerToken::read_again() {
    FSM_ASSIGN(auto text, token_.read());
    FSM_ASSIGN(text_, as_header_value(std::move(text), token_.file.empty()
                                                           ? std::string("the kubeconfig's token")
                                                           : token_.file));
    read_at_ = Clock::now();
    return {};
}

Result<std::string> BearerToken::get() {
    if (!token_.is_given()) {
        return std::string();
    }
    const std::lock_guard guard(mutex_);
    if (text_.empty() || (!token_.file.empty() && Clock::now() - read_at_ > lifetime_)) {
        auto read = read_again();
        if (!read && text_.empty()) {
            return std::move(read.error()).within("read the token for the Kubernetes API");
        }
    }
    return text_;
}

bool BearerToken::renew(const std::string& used) {
    if (token_.file.empty()) {
        return false;
    }
    const std::lock_guard guard(mutex_);
    return (text_ != used || read_again()) && text_ != used;
}

}  // namespace fsm
