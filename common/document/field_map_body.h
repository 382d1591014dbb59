// The body of FieldMap, for the source file of each notation, which instantiates it. It requires of
// a Notation, in addition to Node and Reader:
//
//   Fields                        the type of the fields of a mapping
//   fields(node, reader, path)    the fields of a mapping; reports an invalid one
//   find(fields, key)             optional<Node>
//   for_each(fields, use)         use(name, node) until it returns false
//   is_absent, is_map, is_list, is_scalar(node)
//   text(node)                    optional<string> of a scalar: nothing if it is not a text
//   boolean(node), number(node)   optional<bool>, optional<uint64_t>
//   describe(node)                "a list", "\"abc\"", for messages
//   for_each_entry(node, use)     use(node) for the entries of a list, until it returns false
//
// and of its Reader: fail(node, path, what), visit(node, path), error().
#pragma once

#include <utility>

#include "common/document/field_map.h"

namespace fsm {

template <typename Notation>
FieldMap<Notation>::FieldMap(const Node& node, Reader& reader, std::string path)
    : node_(node), reader_(reader), path_(std::move(path)) {
    if (Notation::is_absent(node_)) {
        return;
    }
    if (!Notation::is_map(node_)) {
        reader_.fail(node_, path_,
                     "must be a mapping (key: value), not " + Notation::describe(node_));
        return;
    }
    fields_ = Notation::fields(node_, reader_, path_);
}

template <typename Notation>
bool FieldMap<Notation>::has(const std::string& key) const {
    const auto found = Notation::find(fields_, key);
    return found && !Notation::is_absent(*found);
}

template <typename Notation>
std::string FieldMap<Notation>::path_of(const std::string& key) const {
    if (key.empty()) {
        return path_;
    }
    return path_.empty() ? key : path_ + "." + key;
}

template <typename Notation>
void FieldMap<Notation>::fail(const std::string& key, const std::string& what) {
    reader_.fail(Notation::find(fields_, key).value_or(node_), path_of(key), what);
}

template <typename Notation>
auto FieldMap<Notation>::take(const std::string& key) -> std::optional<Node> {
    asked_.insert(key);
    auto found = Notation::find(fields_, key);
    if (!found || Notation::is_absent(*found) || reader_.error()) {
        return std::nullopt;
    }
    return found;
}

template <typename Notation>
void FieldMap<Notation>::require(const std::string& key) {
    if (!has(key)) {
        reader_.fail(node_, path_of(key), "is missing");
    }
}

template <typename Notation>
std::optional<std::string> FieldMap<Notation>::scalar(const Node& node, const std::string& path) {
    if (!reader_.visit(node, path)) {
        return std::nullopt;
    }
    auto text = Notation::text(node);
    if (!text) {
        reader_.fail(
            node, path,
            std::string("must be ") + Notation::kText + ", not " + Notation::describe(node));
    }
    return text;
}

template <typename Notation>
std::optional<std::string> FieldMap<Notation>::optional_text(const std::string& key) {
    const auto node = take(key);
    return node ? scalar(*node, path_of(key)) : std::nullopt;
}

template <typename Notation>
std::string FieldMap<Notation>::text(const std::string& key) {
    return optional_text(key).value_or("");
}

template <typename Notation>
std::string FieldMap<Notation>::required_text(const std::string& key) {
    require(key);
    std::string value = text(key);
    if (value.empty()) {
        fail(key, "must not be empty");
    }
    return value;
}

template <typename Notation>
bool FieldMap<Notation>::boolean(const std::string& key, bool when_absent) {
    const auto node = take(key);
    if (!node || !reader_.visit(*node, path_of(key))) {
        return when_absent;
    }
    const auto value = Notation::boolean(*node);
    if (!value) {
        reader_.fail(*node, path_of(key), Notation::describe(*node) + " is neither true nor false");
    }
    return value.value_or(when_absent);
}

template <typename Notation>
std::optional<std::uint64_t> FieldMap<Notation>::parse_number(const Node& node,
                                                              const std::string& path,
                                                              std::uint64_t low,
                                                              std::uint64_t high) {
    if (!reader_.visit(node, path)) {
        return std::nullopt;
    }
    const auto value = Notation::number(node);
    if (!value || *value < low || *value > high) {
        reader_.fail(node, path,
                     Notation::describe(node) + " is not a number from " + std::to_string(low) +
                         " to " + std::to_string(high));
        return std::nullopt;
    }
    return value;
}

template <typename Notation>
std::optional<std::uint64_t> FieldMap<Notation>::number(const std::string& key, std::uint64_t low,
                                                        std::uint64_t high) {
    const auto node = take(key);
    return node ? parse_number(*node, path_of(key), low, high) : std::nullopt;
}

template <typename Notation>
std::uint64_t FieldMap<Notation>::required_number(const std::string& key, std::uint64_t low,
                                                  std::uint64_t high) {
    require(key);
    return number(key, low, high).value_or(low);
}

template <typename Notation>
std::vector<std::string> FieldMap<Notation>::texts(const std::string& key) {
    std::vector<std::string> result;
    each(key, [&](const Node& entry, const std::string& path) {
        if (auto value = scalar(entry, path)) {
            result.push_back(std::move(*value));
        }
    });
    return result;
}

template <typename Notation>
std::vector<std::uint64_t> FieldMap<Notation>::numbers(const std::string& key, std::uint64_t low,
                                                       std::uint64_t high) {
    std::vector<std::uint64_t> result;
    each(key, [&](const Node& entry, const std::string& path) {
        if (const auto value = parse_number(entry, path, low, high)) {
            result.push_back(*value);
        }
    });
    return result;
}

template <typename Notation>
std::map<std::string, std::string> FieldMap<Notation>::text_map(const std::string& key) {
    std::map<std::string, std::string> result;
    FieldMap below = map(key);
    Notation::for_each(below.fields_, [&](const std::string& name, const Node& node) {
        if (Notation::is_absent(node)) {
            result.emplace(name, "");
        } else if (auto value = scalar(node, below.path_of(name))) {
            result.emplace(name, std::move(*value));
        }
        return true;
    });
    return result;
}

template <typename Notation>
FieldMap<Notation> FieldMap<Notation>::map(const std::string& key) {
    return FieldMap(take(key).value_or(Node()), reader_, path_of(key));
}

template <typename Notation>
FieldMap<Notation> FieldMap<Notation>::required_map(const std::string& key) {
    require(key);
    return map(key);
}

template <typename Notation>
void FieldMap<Notation>::each(const std::string& key,
                              const std::function<void(const Node&, const std::string&)>& each) {
    const auto node = take(key);
    if (!node) {
        return;
    }
    if (!Notation::is_list(*node)) {
        reader_.fail(*node, path_of(key), "must be a list, not " + Notation::describe(*node));
        return;
    }
    std::size_t index = 0;
    Notation::for_each_entry(*node, [&](const Node& entry) {
        const std::string path = path_of(key) + "[" + std::to_string(index++) + "]";
        if (!reader_.visit(entry, path)) {
            return false;
        }
        each(entry, path);
        return true;
    });
}

template <typename Notation>
void FieldMap<Notation>::each_map(const std::string& key,
                                  const std::function<void(FieldMap)>& use) {
    each(key,
         [&](const Node& entry, const std::string& path) { use(FieldMap(entry, reader_, path)); });
}

template <typename Notation>
std::vector<std::string> FieldMap<Notation>::keys() const {
    std::vector<std::string> keys;
    Notation::for_each(fields_, [&](const std::string& key, const Node&) {
        keys.push_back(key);
        return true;
    });
    return keys;
}

template <typename Notation>
void FieldMap<Notation>::refuse_unknown_keys() {
    Notation::for_each(fields_, [&](const std::string& key, const Node& node) {
        if (asked_.count(key) == 0) {
            reader_.fail(node, path_of(key), "is not known here; is it spelled right?");
            return false;
        }
        return true;
    });
}

}  // namespace fsm
