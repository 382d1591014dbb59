// What the documents say of counters, metrics and reasons, against the tables of the code.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "bpf/abi.h"
#include "interceptor/api/counter_series.h"
#include "interceptor/api/metric_table.h"
#include "interceptor/api/metrics.h"
#include "interceptor/pod/pod_notifier.h"
#include "test/unit/api/api_fixture.h"

namespace fsm::testing {
namespace {

using Names = std::set<std::string>;

std::string document(const std::string& name) {
    std::ifstream file(std::string(FSM_DOCS_DIRECTORY) + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
}

// What the first group of the expression matches.
Names matches(const std::string& text, const std::string& expression) {
    Names names;
    const std::regex wanted(expression);
    for (std::sregex_iterator match(text.begin(), text.end(), wanted), end; match != end; ++match) {
        names.insert((*match)[1]);
    }
    return names;
}

Names counters() {
    return {
#define FSM_COUNTER_NAME(id, name, help) name,
        FSM_COUNTERS(FSM_COUNTER_NAME)
#undef FSM_COUNTER_NAME
    };
}

// Whether the counter is one of several series of one name.
bool has_labels(const std::string& counter) {
    return std::any_of(
        metric::kCounterSeries.begin(), metric::kCounterSeries.end(),
        [&](const metric::CounterSeries& series) { return series.counter == counter; });
}

bool is_known_metric(const std::string& name) {
    Names known;
    for (const metric::Description& description : metric::kAll) {
        known.insert(description.name);
    }
    for (const std::string& counter : counters()) {
        if (!has_labels(counter)) {
            known.insert("fsm_" + counter + "_total");
        }
    }
    return known.contains(name) || name.starts_with("fsm_pod_source_");
}

// The first cells of the rows of the table below `heading`.
std::string first_cells(const std::string& text, const std::string& heading) {
    const auto begin = text.find("\n" + heading + "\n");
    const auto end = text.find("\n## ", begin + 1);
    const std::string section = text.substr(begin, end - begin);
    std::string cells;
    const std::regex row("\n\\|([^|]*)\\|");
    for (std::sregex_iterator match(section.begin(), section.end(), row), last; match != last;
         ++match) {
        cells += (*match)[1].str() + "\n";
    }
    return cells;
}

constexpr const char* kQuotedName = "`([a-z0-9_]+)`";

TEST(DocumentedNames, EveryCounterIsDescribedAndNoOther) {
    const Names described =
        matches(first_cells(document("troubleshooting.md"), "## Counters"), kQuotedName);
    EXPECT_EQ(described, counters());
}

TEST(DocumentedNames, EveryMetricIsDescribed) {
    const Names described = matches(first_cells(document("metrics.md"), "## Metrics"), kQuotedName);
    for (const metric::Description& description : metric::kAll) {
        EXPECT_TRUE(described.contains(description.name)) << description.name;
    }
}

TEST(DocumentedNames, EverySeriesOfACounterIsDescribed) {
    const std::string text = document("metrics.md");
    for (const metric::CounterSeries& series : metric::kCounterSeries) {
        EXPECT_TRUE(counters().contains(std::string(series.counter))) << series.counter;
        const std::string hook = series.hook.empty()
                                     ? "path=\""
                                     : "hook=\"" + std::string(series.hook) + "\",verdict=\"";
        const std::string row = "| `" + std::string(series.counter) + "` | `" +
                                series.family->name + "{" + hook + std::string(series.verdict) +
                                "\",reason=\"" + std::string(series.reason) + "\"}` |\n";
        EXPECT_NE(text.find(row), std::string::npos) << row;
    }
}

TEST(DocumentedNames, NoDocumentNamesAMetricOrACounterThatIsNotThere) {
    // Maps, a program, and the form of the counters' names.
    const Names others = {"fsm_msg",    "fsm_NAME_total", "fsm_pods",    "fsm_ports",
                          "fsm_ranges", "fsm_handshakes", "fsm_sockets", "fsm_flows"};
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(FSM_DOCS_DIRECTORY)) {
        if (entry.path().extension() != ".md") {
            continue;
        }
        const std::string text = document(entry.path().filename());
        for (const std::string& name : matches(text, "`(fsm_[A-Za-z0-9_]+)[^`]*`")) {
            EXPECT_TRUE(is_known_metric(name) || others.contains(name)) << entry.path() << name;
        }
        for (const std::string& name : matches(text, "counters? `([a-z0-9_]+)`")) {
            EXPECT_TRUE(counters().contains(name)) << entry.path() << name;
        }
        ++files;
    }
    EXPECT_GT(files, 5U);
}

TEST(DocumentedNames, EveryReasonOfAnEventIsDescribedAndNoOther) {
    Names reasons;
    for (const auto reason : {PodWarningReason::annotation_ignored, PodWarningReason::pod_problem,
                              PodWarningReason::refused, PodWarningReason::node_problem}) {
        reasons.emplace(to_string(reason));
    }
    EXPECT_EQ(matches(document("configuration.md"), "`(Fsm[A-Za-z]+)`"), reasons);
}

class RenderedMetrics : public ApiTest {};

TEST_F(RenderedMetrics, AreThoseOfTheTable) {
    const auto answer = ask("GET", "/metrics");
    const Names rendered = matches(answer.body, "# TYPE ([a-z0-9_]+) ");
    for (const std::string& name : rendered) {
        EXPECT_TRUE(is_known_metric(name)) << name;
    }
    EXPECT_TRUE(rendered.contains(metric::kAttachments.name)) << answer.body;
}

}  // namespace
}  // namespace fsm::testing
