#include "interceptor/kubernetes/json_map.h"

#include <utility>

#include "interceptor/pod/text.h"

namespace fsm {

namespace {

using nlohmann::json;

const json& nothing() {
    static const json kNothing = json::object();
    return kNothing;
}

}  // namespace

void JsonReader::fail(const std::string& path, const std::string& what) {
    if (!error_) {
        error_ = Error(printable((path.empty() ? "" : path + ": ") + what), EINVAL);
    }
}

JsonMap::JsonMap(const json& node, JsonReader& reader, std::string path)
    : node_(node), reader_(reader), path_(std::move(path)) {
    if (!node_.is_object()) {
        reader_.fail(path_, std::string("must be an object, not ") + node_.type_name());
    }
}

const json* JsonMap::find(const std::string& key) const {
    if (!node_.is_object()) {
        return nullptr;
    }
    const auto found = node_.find(key);
    return found == node_.end() || found->is_null() ? nullptr : &*found;
}

std::string JsonMap::path_of(const std::string& key) const {
    return path_.empty() ? key : path_ + "." + key;
}

void JsonMap::fail(const std::string& key, const std::string& what) {
    reader_.fail(path_of(key), what);
}

std::optional<std::string> JsonMap::optional_text(const std::string& key) {
    const json* value = find(key);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (!value->is_string()) {
        fail(key, std::string("must be a text, not ") + value->type_name());
        return std::nullopt;
    }
    return value->get<std::string>();
}

std::string JsonMap::text(const std::string& key) {
    return optional_text(key).value_or("");
}

std::string JsonMap::required_text(const std::string& key) {
    std::string value = text(key);
    if (value.empty()) {
        fail(key, "is missing");
    }
    return value;
}

bool JsonMap::boolean(const std::string& key, bool when_absent) {
    const json* value = find(key);
    if (value == nullptr) {
        return when_absent;
    }
    if (!value->is_boolean()) {
        fail(key, std::string("must be true or false, not ") + value->type_name());
        return when_absent;
    }
    return value->get<bool>();
}

std::optional<std::uint64_t> JsonMap::number(const std::string& key, std::uint64_t low,
                                             std::uint64_t high) {
    const json* value = find(key);
    if (value == nullptr) {
        return std::nullopt;
    }
    // What is not negative is unsigned for the parser.
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() < low ||
        value->get<std::uint64_t>() > high) {
        fail(key, "must be a number from " + std::to_string(low) + " to " + std::to_string(high));
        return std::nullopt;
    }
    return value->get<std::uint64_t>();
}

std::vector<std::string> JsonMap::texts(const std::string& key) {
    std::vector<std::string> result;
    const json* list = find(key);
    if (list == nullptr) {
        return result;
    }
    if (!list->is_array()) {
        fail(key, std::string("must be a list, not ") + list->type_name());
        return result;
    }
    for (const json& entry : *list) {
        if (entry.is_string()) {
            result.push_back(entry.get<std::string>());
        } else {
            fail(key, "must be a list of texts");
        }
    }
    return result;
}

std::map<std::string, std::string> JsonMap::text_map(const std::string& key) {
    std::map<std::string, std::string> result;
    JsonMap below = map(key);
    if (!below.node_.is_object()) {
        return result;
    }
    for (const auto& [name, value] : below.node_.items()) {
        result.emplace(name, below.text(name));
    }
    return result;
}

JsonMap JsonMap::map(const std::string& key) {
    const json* value = find(key);
    return {value == nullptr ? nothing() : *value, reader_, path_of(key)};
}

JsonMap JsonMap::required_map(const std::string& key) {
    if (!has(key)) {
        fail(key, "is missing");
    }
    return map(key);
}

void JsonMap::each_map(const std::string& key, const std::function<void(JsonMap)>& use) {
    const json* list = find(key);
    if (list == nullptr) {
        return;
    }
    if (!list->is_array()) {
        return fail(key, std::string("must be a list, not ") + list->type_name());
    }
    std::size_t index = 0;
    for (const json& entry : *list) {
        use(JsonMap(entry, reader_, path_of(key) + "[" + std::to_string(index++) + "]"));
    }
}

}  // namespace fsm
