// Merges what the nodes have printed, with the node's name in front.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace fsm::cli {

enum class OutputKind : std::uint8_t { text, json };

// What a command of fsm-interceptor, with its arguments, prints: json with "-o json" and its other
// spellings, and where it has nothing else. `words` is not empty.
OutputKind output_kind(const std::vector<std::string>& words);

struct NodeOutput {
    std::string node;
    std::string text;
};

// Tables with the same columns become one table with the column NODE; other text gets the node's
// name in front of each line.
std::string merge_texts(const std::vector<NodeOutput>& outputs);

// One line for each object: a document, the members of a list, or JSON lines; with the field
// "node". An error if it is no JSON.
Result<std::string> add_node(const NodeOutput& output);

// Merges streams line by line. Threads: add() may be called from any.
class LineMerger {
  public:
    LineMerger(OutputKind kind, std::size_t node_width) : kind_(kind), node_width_(node_width) {}

    // Prints the complete lines of `pending` + `more` on standard output, and keeps the rest in
    // `pending`, which belongs to that node's stream. A header that a node repeats is left out.
    void add(const std::string& node, std::string_view more, std::string& pending);
    // What is left of a stream that has ended.
    void finish(const std::string& node, std::string& pending);

  private:
    void print(const std::string& node, const std::string& line);

    const OutputKind kind_;
    const std::size_t node_width_;
    std::mutex mutex_;
    std::set<std::string> headers_;
};

}  // namespace fsm::cli
