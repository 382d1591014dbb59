#include "cli/node_output.h"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "common/table.h"

namespace fsm::cli {

namespace {

using Json = nlohmann::ordered_json;  // "node" stays first

constexpr const char* kNode = "NODE";
constexpr std::size_t kGap = 3;
// A line that is longer is printed in pieces, so that a stream needs no more memory.
constexpr std::size_t kLongestLine = std::size_t{1} << 20;

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

std::string trimmed(std::string text) {
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
}

// Where the columns of a table begin, if the line is its header: capitals, two columns at least.
std::optional<std::vector<std::size_t>> columns_of(const std::string& line) {
    const bool capitals =
        !line.empty() && line.front() != ' ' && std::all_of(line.begin(), line.end(), [](char c) {
            return (c >= 'A' && c <= 'Z') ||
                   std::string_view(" -_./()").find(c) != std::string::npos;
        });
    if (!capitals) {
        return std::nullopt;
    }
    std::vector<std::size_t> columns = {0};
    for (std::size_t at = line.find("  "); at != std::string::npos; at = line.find("  ", at)) {
        at = line.find_first_not_of(' ', at);
        if (at == std::string::npos) {
            break;
        }
        columns.push_back(at);
    }
    return columns.size() > 1 ? std::optional(columns) : std::nullopt;
}

// The cells of a row; nothing if a cell of it crosses the columns of the header.
std::optional<std::vector<std::string>> cells_of(const std::string& line,
                                                 const std::vector<std::size_t>& columns) {
    std::vector<std::string> cells;
    for (std::size_t index = 0; index < columns.size(); ++index) {
        const std::size_t from = columns[index];
        if (from >= line.size()) {
            cells.emplace_back();
            continue;
        }
        if (from > 0 && line[from - 1] != ' ') {
            return std::nullopt;
        }
        const bool last = index + 1 == columns.size();
        cells.push_back(
            trimmed(line.substr(from, last ? std::string::npos : columns[index + 1] - from)));
    }
    return cells;
}

using Rows = std::vector<std::vector<std::string>>;

// The table that a node has printed: its header, then its rows.
std::optional<Rows> table_of(const std::string& text) {
    const auto lines = lines_of(text);
    const auto columns = lines.empty() ? std::nullopt : columns_of(lines.front());
    if (!columns) {
        return std::nullopt;
    }
    Rows rows;
    for (const auto& line : lines) {
        auto cells = cells_of(line, *columns);
        if (!cells) {
            return std::nullopt;
        }
        rows.push_back(std::move(*cells));
    }
    return rows;
}

std::optional<std::string> merge_tables(const std::vector<NodeOutput>& outputs) {
    Rows merged;
    std::vector<std::string> header;
    for (const auto& output : outputs) {
        auto rows = table_of(output.text);
        if (!rows || (!header.empty() && rows->front() != header)) {
            return std::nullopt;
        }
        if (header.empty()) {
            header = rows->front();
            merged.push_back(header);
            merged.front().insert(merged.front().begin(), kNode);
        }
        for (auto row = rows->begin() + 1; row != rows->end(); ++row) {
            row->insert(row->begin(), output.node);
            merged.push_back(std::move(*row));
        }
    }
    return merged.empty() ? std::nullopt : std::optional(format_table(merged));
}

std::string padded(const std::string& text, std::size_t width) {
    return text + std::string(std::max(width, text.size()) - text.size() + kGap, ' ');
}

std::string with_node(const std::string& node, const Json& value) {
    Json line = {{"node", node}};
    if (value.is_object()) {
        line.update(value);
        line["node"] = node;
    } else {
        line["value"] = value;
    }
    return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

OutputKind output_kind(const std::vector<std::string>& words) {
    const bool is_document =
        words.front() == "node-report" ||
        (words.front() == "query" && words.size() > 1 && words[1].rfind("/v1/", 0) == 0);
    if (is_document) {
        return OutputKind::json;
    }
    for (std::size_t index = 0; index < words.size(); ++index) {
        const auto& word = words[index];
        const bool names = word == "-o" || word == "--output";
        if ((names && index + 1 < words.size() && words[index + 1] == "json") || word == "-ojson" ||
            word == "-o=json" || word == "--output=json") {
            return OutputKind::json;
        }
    }
    return OutputKind::text;
}

std::string merge_texts(const std::vector<NodeOutput>& outputs) {
    if (const auto table = merge_tables(outputs)) {
        return *table;
    }
    std::size_t width = 0;
    for (const auto& output : outputs) {
        width = std::max(width, output.node.size());
    }
    std::string text;
    for (const auto& output : outputs) {
        for (const auto& line : lines_of(output.text)) {
            text += padded(output.node, width) + line + "\n";
        }
    }
    return text;
}

Result<std::string> add_node(const NodeOutput& output) {
    std::string text;
    const auto whole = Json::parse(output.text, nullptr, false);
    if (whole.is_array()) {
        for (const auto& member : whole) {
            text += with_node(output.node, member);
        }
        return text;
    }
    if (!whole.is_discarded()) {
        return with_node(output.node, whole);
    }
    for (const auto& line : lines_of(output.text)) {
        const auto value = Json::parse(line, nullptr, false);
        if (value.is_discarded()) {
            return Error("its answer is no JSON: " + line.substr(0, 200));
        }
        text += with_node(output.node, value);
    }
    return text;
}

void LineMerger::add(const std::string& node, std::string_view more, std::string& pending) {
    pending += more;
    std::size_t from = 0;
    const std::lock_guard lock(mutex_);
    for (std::size_t end = pending.find('\n'); end != std::string::npos;
         end = pending.find('\n', from)) {
        print(node, pending.substr(from, end - from));
        from = end + 1;
    }
    pending.erase(0, from);
    if (pending.size() > kLongestLine) {
        print(node, pending);
        pending.clear();
    }
    std::cout.flush();
}

void LineMerger::finish(const std::string& node, std::string& pending) {
    if (!pending.empty()) {
        add(node, "\n", pending);
    }
}

void LineMerger::print(const std::string& node, const std::string& line) {
    if (kind_ == OutputKind::json) {
        const auto value = Json::parse(line, nullptr, false);
        if (value.is_discarded()) {
            std::cerr << "fsm: node " + node + ": no JSON: " + line.substr(0, 200) + "\n";
        } else {
            std::cout << with_node(node, value);
        }
        return;
    }
    if (columns_of(line)) {
        if (headers_.insert(line).second) {
            std::cout << padded(kNode, node_width_) << line << "\n";
        }
        return;
    }
    std::cout << padded(node, node_width_) << line << "\n";
}

}  // namespace fsm::cli
