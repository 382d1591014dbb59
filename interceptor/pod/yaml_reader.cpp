#include "interceptor/pod/yaml_reader.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>

#include <charconv>
#include <exception>
#include <sstream>

#include "interceptor/pod/text.h"

namespace fsm {

namespace {

// Where the node is, counted from 1; 0 when yaml-cpp does not say.
int line_of(const YAML::Node& node) {
    return node.IsDefined() ? node.Mark().line + 1 : 0;
}

Error located(const std::string& origin, int line, const std::string& what) {
    return Error(origin + (line > 0 ? ":" + std::to_string(line) : "") + ": " + printable(what),
                 EINVAL);
}

// Notices a document that begins where the one before it began. yaml-cpp 0.7 does not consume a
// token that cannot begin a node ("," for one): LoadAll() would make empty documents of it until
// the memory is used up.
class StandstillCheck final : public YAML::EventHandler {
  public:
    void OnDocumentStart(const YAML::Mark& mark) override {
        stands_still_ = mark.pos == position_;
        position_ = mark.pos;
        line_ = mark.line;
    }
    bool stands_still() const { return stands_still_; }
    int line() const { return line_; }

    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
    void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
    void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  const std::string&) override {}
    void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                         YAML::EmitterStyle::value) override {}
    void OnSequenceEnd() override {}
    void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                    YAML::EmitterStyle::value) override {}
    void OnMapEnd() override {}

  private:
    int position_ = -1;
    int line_ = 0;
    bool stands_still_ = false;
};

// Throws what yaml-cpp throws.
Result<void> check_that_it_ends(const std::string& text, const std::string& origin) {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    StandstillCheck check;
    while (parser.HandleNextDocument(check)) {
        if (check.stands_still()) {
            return located(origin, check.line() + 1,
                           "is not valid YAML: a document cannot begin like this");
        }
    }
    return {};
}

const char* kind_of(const YAML::Node& node) {
    switch (node.Type()) {
        case YAML::NodeType::Map:
            return "a mapping";
        case YAML::NodeType::Sequence:
            return "a list";
        case YAML::NodeType::Scalar:
            return "a single value";
        case YAML::NodeType::Null:
        case YAML::NodeType::Undefined:
            break;
    }
    return "nothing";
}

}  // namespace

Result<std::vector<YAML::Node>> YamlReader::load_documents(std::string_view text) const {
    try {
        const std::string copy(text);
        FSM_TRY(check_that_it_ends(copy, origin_));
        return YAML::LoadAll(copy);
    } catch (const YAML::DeepRecursion& failure) {
        return located(origin_, failure.mark.line + 1,
                       "is nested too deeply to be read; flatten it");
    } catch (const YAML::Exception& failure) {
        return located(origin_, failure.mark.line + 1, "is not valid YAML: " + failure.msg);
    } catch (const std::exception& failure) {
        return located(origin_, 0, std::string("cannot be read as YAML: ") + failure.what());
    }
}

void YamlReader::fail(const YAML::Node& node, const std::string& key, const std::string& what) {
    if (!error_) {
        error_ = located(origin_, line_of(node), key.empty() ? what : "key " + key + ": " + what);
    }
}

bool YamlReader::visit(const YAML::Node& node, const std::string& key) {
    if (error_) {
        return false;
    }
    const std::size_t cost = 1 + (node.IsScalar() ? node.Scalar().size() : 0);
    if (cost > budget_) {
        budget_ = 0;
        fail(node, key, "its aliases make the text too large; write it without them");
        return false;
    }
    budget_ -= cost;
    return true;
}

YamlMap::YamlMap(const YAML::Node& node, YamlReader& reader, std::string path)
    : node_(node), reader_(reader), path_(std::move(path)) {
    if (!node_.IsDefined() || node_.IsNull()) {
        return;
    }
    if (!node_.IsMap()) {
        reader_.fail(node_, path_,
                     std::string("must be a mapping (key: value), not ") + kind_of(node_));
        return;
    }
    for (const auto& entry : node_) {
        if (!reader_.visit(entry.first, path_)) {
            return;
        }
        if (!entry.first.IsScalar()) {
            reader_.fail(entry.first, path_, "a key must be a plain text");
            return;
        }
        const std::string& key = entry.first.Scalar();
        if (key == "<<") {
            reader_.fail(entry.first, path_,
                         "merge keys (<<) are not supported; write the keys out");
            return;
        }
        if (entries_.count(key) != 0) {
            reader_.fail(entry.first, path_of(key), "is given twice");
            return;
        }
        entries_.emplace(key, entry.second);
    }
}

std::string YamlMap::path_of(const std::string& key) const {
    if (key.empty()) {
        return path_;
    }
    return path_.empty() ? key : path_ + "." + key;
}

void YamlMap::fail(const std::string& key, const std::string& what) {
    const auto found = entries_.find(key);
    reader_.fail(found != entries_.end() ? found->second : node_, path_of(key), what);
}

std::optional<YAML::Node> YamlMap::take(const std::string& key) {
    asked_[key] = true;
    const auto found = entries_.find(key);
    if (found == entries_.end() || found->second.IsNull() || reader_.error()) {
        return std::nullopt;
    }
    return found->second;
}

void YamlMap::require(const std::string& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end() || found->second.IsNull()) {
        reader_.fail(node_, path_of(key), "is missing");
    }
}

std::optional<std::string> YamlMap::scalar(const YAML::Node& node, const std::string& path) {
    if (!reader_.visit(node, path)) {
        return std::nullopt;
    }
    if (!node.IsScalar()) {
        reader_.fail(node, path, std::string("must be a single value, not ") + kind_of(node));
        return std::nullopt;
    }
    return node.Scalar();
}

std::optional<std::string> YamlMap::optional_text(const std::string& key) {
    const auto node = take(key);
    return node ? scalar(*node, path_of(key)) : std::nullopt;
}

std::string YamlMap::text(const std::string& key) {
    return optional_text(key).value_or("");
}

std::string YamlMap::required_text(const std::string& key) {
    require(key);
    std::string value = text(key);
    if (value.empty()) {
        fail(key, "must not be empty");
    }
    return value;
}

bool YamlMap::boolean(const std::string& key, bool when_absent) {
    const auto node = take(key);
    if (!node || !scalar(*node, path_of(key))) {
        return when_absent;
    }
    bool value = when_absent;
    if (!YAML::convert<bool>::decode(*node, value)) {
        reader_.fail(*node, path_of(key), in_quotes(node->Scalar()) + " is neither true nor false");
    }
    return value;
}

std::optional<std::uint64_t> YamlMap::parse_number(const YAML::Node& node, const std::string& path,
                                                   std::uint64_t low, std::uint64_t high) {
    const auto text = scalar(node, path);
    if (!text) {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    const char* end = text->data() + text->size();
    const auto [parsed, failure] = std::from_chars(text->data(), end, value);
    if (text->empty() || failure != std::errc() || parsed != end || value < low || value > high) {
        reader_.fail(node, path,
                     in_quotes(*text) + " is not a number from " + std::to_string(low) + " to " +
                         std::to_string(high));
        return std::nullopt;
    }
    return value;
}

std::optional<std::uint64_t> YamlMap::number(const std::string& key, std::uint64_t low,
                                             std::uint64_t high) {
    const auto node = take(key);
    return node ? parse_number(*node, path_of(key), low, high) : std::nullopt;
}

std::uint64_t YamlMap::required_number(const std::string& key, std::uint64_t low,
                                       std::uint64_t high) {
    require(key);
    return number(key, low, high).value_or(low);
}

std::vector<std::string> YamlMap::texts(const std::string& key) {
    std::vector<std::string> result;
    each(key, [&](const YAML::Node& entry, const std::string& path) {
        if (auto value = scalar(entry, path)) {
            result.push_back(std::move(*value));
        }
    });
    return result;
}

std::vector<std::uint64_t> YamlMap::numbers(const std::string& key, std::uint64_t low,
                                            std::uint64_t high) {
    std::vector<std::uint64_t> result;
    each(key, [&](const YAML::Node& entry, const std::string& path) {
        if (const auto value = parse_number(entry, path, low, high)) {
            result.push_back(*value);
        }
    });
    return result;
}

std::map<std::string, std::string> YamlMap::text_map(const std::string& key) {
    std::map<std::string, std::string> result;
    const YamlMap below = map(key);
    for (const auto& [name, node] : below.entries_) {
        if (node.IsNull()) {
            result.emplace(name, "");
        } else if (auto value = scalar(node, below.path_of(name))) {
            result.emplace(name, std::move(*value));
        }
    }
    return result;
}

YamlMap YamlMap::map(const std::string& key) {
    const auto node = take(key);
    return YamlMap(node ? *node : YAML::Node(), reader_, path_of(key));
}

YamlMap YamlMap::required_map(const std::string& key) {
    require(key);
    return map(key);
}

void YamlMap::each(const std::string& key,
                   const std::function<void(const YAML::Node&, const std::string&)>& each) {
    const auto node = take(key);
    if (!node) {
        return;
    }
    if (!node->IsSequence()) {
        reader_.fail(*node, path_of(key), std::string("must be a list, not ") + kind_of(*node));
        return;
    }
    std::size_t index = 0;
    for (const auto& entry : *node) {
        const std::string path = path_of(key) + "[" + std::to_string(index++) + "]";
        if (!reader_.visit(entry, path)) {
            return;
        }
        each(entry, path);
    }
}

void YamlMap::each_map(const std::string& key, const std::function<void(YamlMap)>& use) {
    each(key, [&](const YAML::Node& entry, const std::string& path) {
        use(YamlMap(entry, reader_, path));
    });
}

void YamlMap::refuse_unknown_keys() {
    for (const auto& [key, node] : entries_) {
        if (asked_.count(key) == 0) {
            reader_.fail(node, path_of(key), "is not known here; is it spelled right?");
            return;
        }
    }
}

}  // namespace fsm
