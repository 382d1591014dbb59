#include "cli/redaction.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace fsm::cli {

namespace {

using nlohmann::json;
using std::string_view;

constexpr std::array kSecretWords = {
    "password",   "passwd",      "passphrase", "secret",     "token",         "apikey",
    "api_key",    "api-key",     "accesskey",  "access_key", "access-key",    "private_key",
    "privatekey", "private-key", "client-key", "credential", "authorization", "client_key"};
// Names of the API that contain such a word and hold a name or a number.
constexpr std::array kHarmless = {"secretname",
                                  "imagepullsecrets",
                                  "secretkeyref",
                                  "secretref",
                                  "secrets",
                                  "tokenexpirationseconds",
                                  "expirationseconds",
                                  "automountserviceaccounttoken",
                                  "serviceaccounttoken"};
// From, and to; an empty one is nothing.
using Range = std::pair<std::size_t, std::size_t>;

constexpr std::size_t kLeastRandom = 24;
constexpr std::size_t kLeastWebToken = 24;

std::string lower(string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
}

bool ends_value(char c) {
    return std::isspace(static_cast<unsigned char>(c)) != 0 ||
           string_view("\"',;&<>(){}[]`\\").find(c) != string_view::npos;
}

// From `at` to the end of a run of characters.
template <typename Test>
std::size_t end_of(string_view text, std::size_t at, const Test& test) {
    while (at < text.size() && test(text[at])) {
        ++at;
    }
    return at;
}

// Random letters of three kinds, as no word or digest has them.
bool looks_random(string_view text) {
    const auto any = [&](int (*test)(int)) {
        return std::any_of(text.begin(), text.end(),
                           [&](char c) { return test(static_cast<unsigned char>(c)) != 0; });
    };
    const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
               string_view("+/=_-").find(c) != string_view::npos;
    });
    return text.size() >= kLeastRandom && plain && any(std::isupper) && any(std::islower) &&
           any(std::isdigit);
}

bool is_web_token(string_view word) {
    return word.size() >= kLeastWebToken && word.rfind("eyJ", 0) == 0 &&
           word.find('.') != string_view::npos;
}

std::size_t skip_blanks(string_view text, std::size_t at) {
    return end_of(text, at, [](char c) { return c == ' ' || c == '\t'; });
}

std::size_t skip_quote(string_view text, std::size_t at) {
    at += at < text.size() && text[at] == '\\' ? 1 : 0;  // a text inside of a text
    return at + (at < text.size() && (text[at] == '"' || text[at] == '\'') ? 1 : 0);
}

// The value behind a name that ends at `at`, as in NAME=VALUE, NAME: VALUE, "NAME": "VALUE". Empty
// if there is none, or if it is a structure.
Range value_behind(string_view text, std::size_t at) {
    at = skip_blanks(text, skip_quote(text, at));
    if (at >= text.size() || (text[at] != '=' && text[at] != ':')) {
        return {0, 0};
    }
    at = skip_quote(text, skip_blanks(text, at + 1));
    for (const char* scheme : {"bearer ", "basic "}) {
        const string_view word(scheme);
        if (lower(text.substr(at, word.size())) == word) {
            at = skip_blanks(text, at + word.size());
        }
    }
    const auto end = end_of(text, at, [](char c) { return !ends_value(c); });
    const auto value = text.substr(at, end - at);
    if (value == "true" || value == "false" || value == "null") {
        return {0, 0};
    }
    return {at, end};
}

// "--password VALUE": the value that follows the flag that ends at `at`.
Range value_of_flag(string_view text, std::size_t at) {
    const auto from = skip_blanks(text, at);
    const auto end = end_of(text, from, [](char c) { return !ends_value(c); });
    const bool value = from > at && end > from && text[from] != '-';
    return value ? Range(from, end) : Range(at, at);
}

// The end of a private key that begins at `at`, where a dash is; 0: there is none.
std::size_t end_of_private_key(string_view text, std::size_t at) {
    constexpr string_view kBegin = "-----BEGIN ";
    constexpr string_view kPrivate = "PRIVATE KEY-----";
    constexpr string_view kEnd = "-----END ";
    constexpr std::size_t kLongestKind = 20;
    if (text.substr(at, kBegin.size()) != kBegin) {
        return 0;
    }
    const auto kind = text.substr(at + kBegin.size(), kLongestKind + kPrivate.size());
    if (kind.find(kPrivate) == string_view::npos) {
        return 0;
    }
    const auto end = text.find(kEnd, at);
    const auto last = end == string_view::npos ? end : text.find(kPrivate, end);
    return last == string_view::npos ? text.size() : last + kPrivate.size();
}

// The password in "://user:password@".
Range secret_of_mark(string_view text, std::size_t at) {
    if (text.substr(at, 3) != "://") {
        return {0, 0};
    }
    const auto end =
        end_of(text, at + 3, [](char c) { return !ends_value(c) && c != '/' && c != '@'; });
    const auto colon = text.substr(at + 3, end - at - 3).find(':');
    if (end >= text.size() || text[end] != '@' || colon == string_view::npos) {
        return {0, 0};
    }
    return {at + 3 + colon + 1, end};
}

// What follows the word "Bearer", if it is as long as tokens are.
Range bearer_token(string_view text, string_view word, std::size_t end) {
    constexpr std::size_t kLeastBearer = 16;
    if (lower(word) != "bearer") {
        return {0, 0};
    }
    const auto from = skip_blanks(text, end);
    const auto to = end_of(text, from, [](char c) { return !ends_value(c); });
    return to - from >= kLeastBearer ? Range(from, to) : Range(end, end);
}

// What is to be left out because of the word from `at` to `end`.
Range secret_of_word(string_view text, std::size_t at, std::size_t end) {
    const auto word = text.substr(at, end - at);
    if (is_web_token(word)) {
        return {at, end};
    }
    if (const auto dashes = word.find("-----BEGIN"); dashes != string_view::npos) {
        if (const auto key = end_of_private_key(text, at + dashes); key != 0) {
            return {at + dashes, key};
        }
    }
    const auto token = bearer_token(text, word, end);
    if (token.second > token.first || !is_secret_name(word)) {
        return token;
    }
    const auto value = value_behind(text, end);
    const bool is_flag = word.rfind("--", 0) == 0;
    return value.second == 0 && is_flag ? value_of_flag(text, end) : value;
}

// Copies a text, leaving pieces out.
class Copy {
  public:
    explicit Copy(string_view text) : text_(text) {}
    // Everything before `from`, then the mark instead of what is before `to`.
    void leave_out(std::size_t from, std::size_t to) {
        copy_.append(text_.substr(done_, from - done_)).append(kRedacted);
        done_ = to;
    }
    std::string take() { return std::move(copy_.append(text_.substr(done_))); }

  private:
    string_view text_;
    std::string copy_;
    std::size_t done_ = 0;
};

void redact_object(json& object) {
    object.erase("managedFields");
    if (object.contains("annotations") && object["annotations"].is_object()) {
        object["annotations"].erase("kubectl.kubernetes.io/last-applied-configuration");
    }
    const auto name = object.find("name");
    const auto value = object.find("value");
    if (name != object.end() && value != object.end() && name->is_string() && value->is_string()) {
        const auto text = value->get<std::string>();
        if (is_secret_name(name->get<std::string>()) || looks_random(text)) {
            *value = kRedacted;
        }
    }
    for (auto& [key, member] : object.items()) {
        if (member.is_string() && is_secret_name(key)) {
            member = kRedacted;
        }
        redact_json(member);
    }
}

// {"--password", "x"}: the second one.
void redact_array(json& list) {
    bool secret_follows = false;
    for (auto& member : list) {
        const auto text = member.is_string() ? member.get<std::string>() : "";
        if (secret_follows && !text.empty() && text.front() != '-') {
            member = kRedacted;
        }
        secret_follows = !text.empty() && text.front() == '-' && is_secret_name(text);
        redact_json(member);
    }
}

}  // namespace

bool is_secret_name(string_view name) {
    const auto text = lower(name);
    const auto contains = [&](const char* word) { return text.find(word) != std::string::npos; };
    return std::any_of(kSecretWords.begin(), kSecretWords.end(), contains) &&
           std::none_of(kHarmless.begin(), kHarmless.end(),
                        [&](const char* harmless) { return text == harmless; });
}

std::string redact_text(string_view text) {
    Copy copy(text);
    for (std::size_t at = 0; at < text.size();) {
        const bool word = is_word(text[at]);
        const auto end = word ? end_of(text, at, is_word) : at + 1;
        const auto [from, to] = word ? secret_of_word(text, at, end) : secret_of_mark(text, at);
        if (to > from) {
            copy.leave_out(from, to);
        }
        at = std::max(end, to);
    }
    return copy.take();
}

void redact_json(json& value) {
    if (value.is_object()) {
        redact_object(value);
    } else if (value.is_array()) {
        redact_array(value);
    } else if (value.is_string()) {
        value = redact_text(value.get<std::string>());
    }
}

void Pseudonyms::add(const std::string& kind, const std::string& name) {
    if (!name.empty() && by_name_.count(name) == 0) {
        by_name_[name] = kind + "-" + std::to_string(++count_[kind]);
    }
}

std::string Pseudonyms::replace(string_view text) const {
    std::string result;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = end_of(text, at, is_word);
        if (end == at) {
            result += text[at++];
            continue;
        }
        const auto found = by_name_.find(text.substr(at, end - at));
        result += found == by_name_.end() ? text.substr(at, end - at) : string_view(found->second);
        at = end;
    }
    return result;
}

}  // namespace fsm::cli
