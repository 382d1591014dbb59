#include "common/cni/member_reader.h"

namespace fsm::cni {

Error wrong_type(const std::string& path, std::string_view wanted, const nlohmann::json& value) {
    return {ErrorCode::invalid_config,
            "network configuration: " + path + " must be " + std::string(wanted) + ", not " +
                (value.is_null() ? "null" : std::string("a value of type ") + value.type_name()),
            ""};
}

const nlohmann::json* MemberReader::find(std::string_view key) const {
    const auto member = object_.find(key);
    return member == object_.end() || member->is_null() ? nullptr : &*member;
}

std::string MemberReader::path_of(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

void MemberReader::fail(Error error) {
    if (!failure_) {
        failure_ = std::move(error);
    }
}

void MemberReader::fail_type(const std::string& path, std::string_view wanted,
                             const nlohmann::json& value) {
    fail(wrong_type(path, wanted, value));
}

void MemberReader::read(std::string_view key, std::string& target) {
    const nlohmann::json* value = find(key);
    if (value == nullptr) {
        return;
    }
    if (!value->is_string()) {
        fail_type(path_of(key), "a string", *value);
        return;
    }
    target = value->get<std::string>();
}

void MemberReader::expect_string(std::string_view key) {
    std::string unused;
    read(key, unused);
}

void MemberReader::read(std::string_view key, std::set<std::string, std::less<>>& target) {
    const nlohmann::json* list = find(key);
    if (list == nullptr) {
        return;
    }
    if (!list->is_array()) {
        fail_type(path_of(key), "a list of strings", *list);
        return;
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
        const nlohmann::json& entry = (*list)[i];
        if (!entry.is_string()) {
            fail_type(path_of(key) + "[" + std::to_string(i) + "]", "a string", entry);
            return;
        }
        target.insert(entry.get<std::string>());
    }
}

const nlohmann::json& MemberReader::object(std::string_view key) {
    static const nlohmann::json kEmpty = nlohmann::json::object();
    const nlohmann::json* value = find(key);
    if (value == nullptr) {
        return kEmpty;
    }
    if (!value->is_object()) {
        fail_type(path_of(key), "an object", *value);
        return kEmpty;
    }
    return *value;
}

}  // namespace fsm::cni
