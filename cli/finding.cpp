#include "cli/finding.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace fsm::cli {

namespace {

constexpr std::size_t kGradeWidth = 9;

std::string padded(const std::string& text, std::size_t width) {
    return text + std::string(std::max(width, text.size() + 1) - text.size(), ' ');
}

}  // namespace

const char* to_string(Grade grade) {
    switch (grade) {
        case Grade::ok:
            return "ok";
        case Grade::warning:
            return "warning";
        case Grade::error:
            return "error";
    }
    return "";
}

void Findings::ok(std::string check, std::string message, std::string node) {
    all_.push_back({group_, std::move(check), Grade::ok, std::move(message), "", std::move(node)});
}

void Findings::warning(std::string check, std::string message, std::string remedy,
                       std::string node) {
    all_.push_back({group_, std::move(check), Grade::warning, std::move(message), std::move(remedy),
                    std::move(node)});
}

void Findings::error(std::string check, std::string message, std::string remedy, std::string node) {
    all_.push_back({group_, std::move(check), Grade::error, std::move(message), std::move(remedy),
                    std::move(node)});
}

std::size_t count(const std::vector<Finding>& findings, Grade grade) {
    return static_cast<std::size_t>(
        std::count_if(findings.begin(), findings.end(),
                      [&](const Finding& finding) { return finding.grade == grade; }));
}

std::string to_text(const std::vector<Finding>& findings) {
    std::size_t width = 0;
    for (const auto& finding : findings) {
        width = std::max(width, finding.check.size() + 2);
    }
    std::string text;
    std::string group;
    for (const auto& finding : findings) {
        if (finding.group != group) {
            group = finding.group;
            text += (text.empty() ? "" : "\n") + group + "\n";
        }
        text +=
            "  " + padded(to_string(finding.grade), kGradeWidth) + padded(finding.check, width) +
            (finding.node.empty() ? "" : "node " + finding.node + ": ") + finding.message + "\n";
        if (!finding.remedy.empty()) {
            text += std::string(2 + kGradeWidth, ' ') + "→ " + finding.remedy + "\n";
        }
    }
    return text;
}

std::string to_json(const std::vector<Finding>& findings) {
    auto checks = nlohmann::ordered_json::array();
    Grade worst = Grade::ok;
    for (const auto& finding : findings) {
        worst = std::max(worst, finding.grade);
        checks.push_back({{"group", finding.group},
                          {"check", finding.check},
                          {"result", to_string(finding.grade)},
                          {"node", finding.node},
                          {"message", finding.message},
                          {"remedy", finding.remedy}});
    }
    const nlohmann::ordered_json document = {{"result", to_string(worst)}, {"checks", checks}};
    return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace fsm::cli
