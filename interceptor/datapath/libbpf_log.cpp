#include "interceptor/datapath/libbpf_log.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <mutex>

namespace fsm {
namespace {

// The verifier explains a refusal in its last lines; the megabytes before them are its trace.
constexpr std::size_t kKept = 4096;

thread_local std::string* collected = nullptr;

__attribute__((format(printf, 2, 0))) int collect(enum libbpf_print_level level, const char* format,
                                                  va_list arguments) {
    if (level == LIBBPF_DEBUG || collected == nullptr) {
        return 0;
    }
    va_list measured;
    va_copy(measured, arguments);
    const int length = vsnprintf(nullptr, 0, format, measured);
    va_end(measured);
    if (length <= 0) {
        return 0;
    }
    std::string line(static_cast<std::size_t>(length) + 1, '\0');
    vsnprintf(line.data(), line.size(), format, arguments);
    line.pop_back();
    *collected += line;
    if (collected->size() > 2 * kKept) {
        collected->erase(0, collected->size() - kKept);
    }
    return length;
}

}  // namespace

LibbpfLog::LibbpfLog() {
    static std::once_flag installed;
    std::call_once(installed, [] { libbpf_set_print(collect); });
    outer_ = collected;
    collected = &text_;
}

LibbpfLog::~LibbpfLog() {
    collected = outer_;
}

Error LibbpfLog::error(const std::string& what, int errno_value) const {
    Error error = Error::from_errno(what, errno_value);
    if (text_.empty()) {
        return error;
    }
    const std::size_t start = text_.size() > kKept ? text_.size() - kKept : 0;
    return Error(error.message() + "\n" + text_.substr(start), errno_value);
}

}  // namespace fsm
