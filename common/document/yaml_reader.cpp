#include "common/document/yaml_reader.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>

#include <charconv>
#include <exception>
#include <sstream>

#include "common/document/field_map_body.h"
#include "common/text.h"

namespace fsm {

namespace {

// The node's position, counted from 1; 0 if yaml-cpp does not report it.
int line_of(const YAML::Node& node) {
    return node.IsDefined() ? node.Mark().line + 1 : 0;
}

Error located(const std::string& origin, int line, const std::string& what) {
    return Error(origin + (line > 0 ? ":" + std::to_string(line) : "") + ": " + printable(what),
                 EINVAL);
}

// Detects a document that begins where the previous one began. yaml-cpp 0.7 does not consume a
// token that cannot begin a node ("," for example): LoadAll() would create empty documents until
// the memory is exhausted.
class StandstillCheck final : public YAML::EventHandler {
  public:
    void OnDocumentStart(const YAML::Mark& mark) override {
        is_stuck_ = mark.pos == position_;
        position_ = mark.pos;
        line_ = mark.line;
    }
    bool is_stuck() const { return is_stuck_; }
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
    bool is_stuck_ = false;
};

// Throws yaml-cpp's exceptions.
Result<void> check_that_it_ends(const std::string& text, const std::string& origin) {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    StandstillCheck check;
    while (parser.HandleNextDocument(check)) {
        if (check.is_stuck()) {
            return located(origin, check.line() + 1,
                           "is not valid YAML: a document cannot begin like this");
        }
    }
    return {};
}

}  // namespace

template class FieldMap<YamlNotation>;

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

std::optional<std::string> YamlNotation::text(const Node& node) {
    return node.IsScalar() ? std::optional(node.Scalar()) : std::nullopt;
}

std::optional<bool> YamlNotation::boolean(const Node& node) {
    bool value = false;
    return node.IsScalar() && YAML::convert<bool>::decode(node, value) ? std::optional(value)
                                                                       : std::nullopt;
}

std::optional<std::uint64_t> YamlNotation::number(const Node& node) {
    if (!node.IsScalar()) {
        return std::nullopt;
    }
    const std::string& text = node.Scalar();
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [parsed, failure] = std::from_chars(text.data(), end, value);
    return text.empty() || failure != std::errc() || parsed != end ? std::nullopt
                                                                   : std::optional(value);
}

std::string YamlNotation::describe(const Node& node) {
    switch (node.Type()) {
        case YAML::NodeType::Map:
            return "a mapping";
        case YAML::NodeType::Sequence:
            return "a list";
        case YAML::NodeType::Scalar:
            return in_quotes(node.Scalar());
        case YAML::NodeType::Null:
        case YAML::NodeType::Undefined:
            break;
    }
    return "nothing";
}

YamlNotation::Fields YamlNotation::fields(const Node& node, Reader& reader,
                                          const std::string& path) {
    Fields fields;
    for (const auto& entry : node) {
        if (!reader.visit(entry.first, path)) {
            return fields;
        }
        if (!entry.first.IsScalar()) {
            reader.fail(entry.first, path, "a key must be a plain text");
            return fields;
        }
        const std::string& key = entry.first.Scalar();
        if (key == "<<") {
            reader.fail(entry.first, path, "merge keys (<<) are not supported; write the keys out");
            return fields;
        }
        if (!fields.emplace(key, entry.second).second) {
            reader.fail(entry.first, path.empty() ? key : path + "." + key, "is given twice");
            return fields;
        }
    }
    return fields;
}

std::optional<YAML::Node> YamlNotation::find(const Fields& fields, const std::string& key) {
    const auto found = fields.find(key);
    return found == fields.end() ? std::nullopt : std::optional(found->second);
}

void YamlNotation::for_each(const Fields& fields,
                            const std::function<bool(const std::string&, const Node&)>& use) {
    for (const auto& [name, node] : fields) {
        if (!use(name, node)) {
            return;
        }
    }
}

void YamlNotation::for_each_entry(const Node& node, const std::function<bool(const Node&)>& use) {
    for (const auto& entry : node) {
        if (!use(entry)) {
            return;
        }
    }
}

}  // namespace fsm
