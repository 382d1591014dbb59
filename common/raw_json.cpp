#include "common/raw_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace fsm {

namespace {

// Scans JSON that is known to be valid. On invalid text it stops at the end: the result is wrong,
// but never outside of the text.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}

    char peek() {
        skip_white_space();
        return position_ < text_.size() ? text_[position_] : '\0';
    }

    void skip_one() {
        if (position_ < text_.size()) {
            ++position_;
        }
    }

    std::string_view take_value() {
        const char first = peek();
        const std::size_t start = position_;
        if (first == '"') {
            skip_string();
        } else if (first == '{' || first == '[') {
            skip_nested();
        } else {
            skip_scalar();
        }
        return text_.substr(start, position_ - start);
    }

  private:
    void skip_white_space() {
        position_ = std::min(text_.find_first_not_of(" \t\r\n", position_), text_.size());
    }

    void skip_scalar() {
        position_ = std::min(text_.find_first_of(",}] \t\r\n", position_), text_.size());
    }

    void skip_string() {
        for (skip_one(); position_ < text_.size() && text_[position_] != '"'; skip_one()) {
            if (text_[position_] == '\\') {
                skip_one();
            }
        }
        skip_one();
    }

    void skip_nested() {
        std::size_t depth = 0;
        do {
            const char c = text_[position_];
            if (c == '"') {
                skip_string();
                continue;
            }
            if (c == '{' || c == '[') {
                ++depth;
            } else if (c == '}' || c == ']') {
                --depth;
            }
            skip_one();
        } while (depth > 0 && position_ < text_.size());
    }

    std::string_view text_;
    std::size_t position_ = 0;
};

std::string_view without_byte_order_mark(std::string_view text) {
    constexpr std::string_view kMark = "\xef\xbb\xbf";
    return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

// Keys may contain escapes ("\u006eame").
bool is_key(std::string_view raw_string, std::string_view key) {
    const auto value = nlohmann::json::parse(raw_string, nullptr, /*allow_exceptions=*/false);
    return value.is_string() && value.get_ref<const std::string&>() == key;
}

}  // namespace

std::optional<std::string_view> find_raw_member(std::string_view document, std::string_view key) {
    std::optional<std::string_view> found;
    Scanner scanner(without_byte_order_mark(document));
    if (scanner.peek() != '{') {
        return found;
    }
    scanner.skip_one();
    while (scanner.peek() == '"') {
        const std::string_view name = scanner.take_value();
        if (scanner.peek() == ':') {
            scanner.skip_one();
        }
        const std::string_view value = scanner.take_value();
        if (is_key(name, key)) {
            found = value;
        }
        if (scanner.peek() == ',') {
            scanner.skip_one();
        }
    }
    return found;
}

std::vector<std::string_view> raw_elements(std::string_view list) {
    std::vector<std::string_view> elements;
    Scanner scanner(list);
    if (scanner.peek() != '[') {
        return elements;
    }
    scanner.skip_one();
    while (scanner.peek() != ']' && scanner.peek() != '\0') {
        elements.push_back(scanner.take_value());
        if (scanner.peek() != ',') {
            break;
        }
        scanner.skip_one();
    }
    return elements;
}

}  // namespace fsm
