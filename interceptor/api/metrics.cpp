#include "interceptor/api/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "common/failures.h"
#include "common/version.h"
#include "interceptor/api/counter_series.h"
#include "interceptor/api/metric_table.h"
#include "interceptor/health/known_conditions.h"

namespace fsm {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;
using Families = std::vector<MetricFamily>;

ClientMetric gauge_value(double value, Labels labels) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    return metric;
}

MetricFamily gauge(const metric::Description& what, std::vector<ClientMetric> metrics) {
    return {what.name, what.help, MetricType::Gauge, std::move(metrics)};
}

ClientMetric counter_value(double value, Labels labels) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.counter.value = value;
    return metric;
}

MetricFamily counter(std::string name, std::string help, double value) {
    return {std::move(name), std::move(help), MetricType::Counter, {counter_value(value, {})}};
}

MetricFamily counter(const metric::Description& what, std::uint64_t value) {
    return counter(what.name, what.help, static_cast<double>(value));
}

void add_maps(const std::vector<DatapathMap>& maps, Families& families) {
    auto entries = gauge(metric::kMapEntries, {});
    auto limits = gauge(metric::kMapMaxEntries, {});
    for (const auto& map : maps) {
        if (!map.can_fill) {
            continue;
        }
        const Labels labels = {{"map", map.name}};
        entries.metric.push_back(gauge_value(static_cast<double>(map.entries), labels));
        limits.metric.push_back(gauge_value(static_cast<double>(map.max_entries), labels));
    }
    families.push_back(std::move(entries));
    families.push_back(std::move(limits));
}

Labels labels_of(const metric::CounterSeries& series) {
    Labels labels;
    if (!series.hook.empty()) {
        labels.push_back({"hook", std::string(series.hook)});
    }
    labels.push_back(
        {series.family == &metric::kMessages ? "path" : "verdict", std::string(series.verdict)});
    labels.push_back({"reason", std::string(series.reason)});
    return labels;
}

void add_counters(const std::vector<CounterValue>& counters, Families& families) {
    std::map<const metric::Description*, std::vector<ClientMetric>> labelled;
    for (const auto& value : counters) {
        const auto* series = std::find_if(
            metric::kCounterSeries.begin(), metric::kCounterSeries.end(),
            [&](const metric::CounterSeries& each) { return each.counter == value.name; });
        const auto number = static_cast<double>(value.value);
        if (series == metric::kCounterSeries.end()) {
            families.push_back(counter("fsm_" + value.name + "_total", value.help, number));
        } else {
            labelled[series->family].push_back(counter_value(number, labels_of(*series)));
        }
    }
    for (auto& [family, metrics] : labelled) {
        families.push_back({family->name, family->help, MetricType::Counter, std::move(metrics)});
    }
}

// Without statistics the series are absent: a 0 would be wrong.
void add_programs(const std::vector<ProgramStatistics>& programs, Families& families) {
    if (programs.empty()) {
        return;
    }
    MetricFamily time = {
        metric::kProgramRunTime.name, metric::kProgramRunTime.help, MetricType::Counter, {}};
    MetricFamily runs = {
        metric::kProgramRuns.name, metric::kProgramRuns.help, MetricType::Counter, {}};
    constexpr double kNanosecond = 1e-9;
    for (const auto& program : programs) {
        const Labels labels = {{"program", program.name}, {"hook", program.hook}};
        time.metric.push_back(
            counter_value(static_cast<double>(program.nanoseconds) * kNanosecond, labels));
        runs.metric.push_back(counter_value(static_cast<double>(program.runs), labels));
    }
    families.push_back(std::move(time));
    families.push_back(std::move(runs));
}

void add_enrolment_times(const EnrolmentTimes& times, Families& families) {
    const EnrolmentTimes::Histogram histogram = times.histogram();
    ClientMetric metric;
    metric.histogram.sample_count = histogram.count;
    metric.histogram.sample_sum = histogram.sum_seconds;
    std::uint64_t up_to_here = 0;
    for (std::size_t index = 0; index < histogram.counts.size(); ++index) {
        up_to_here += histogram.counts[index];
        const double bound = index < EnrolmentTimes::kBounds.size()
                                 ? EnrolmentTimes::kBounds[index]
                                 : std::numeric_limits<double>::infinity();
        metric.histogram.bucket.push_back({up_to_here, bound});
    }
    families.push_back({metric::kPodEnrolmentDuration.name,
                        metric::kPodEnrolmentDuration.help,
                        MetricType::Histogram,
                        {metric}});
}

void add_attachments(const std::vector<AttachmentState>& states, Families& families) {
    std::array<double, kMemberships.size()> members{};
    double failures = 0;
    double problems = 0;
    double conflicts = 0;
    for (const auto& state : states) {
        members[static_cast<std::size_t>(state.membership)] += 1;
        failures += state.failure.empty() ? 0 : 1;
        problems += static_cast<double>(state.problems.size());
        conflicts += state.enrolled ? static_cast<double>(state.enrolled->conflicts.size()) : 0;
    }
    auto attachments = gauge(metric::kAttachments, {});
    for (const auto state : kMemberships) {
        attachments.metric.push_back(gauge_value(members[static_cast<std::size_t>(state)],
                                                 {{"state", std::string(to_string(state))}}));
    }
    families.push_back(std::move(attachments));
    families.push_back(gauge(metric::kAttachmentFailures, {gauge_value(failures, {})}));
    families.push_back(gauge(metric::kPodProblems, {gauge_value(problems, {})}));
    families.push_back(gauge(metric::kAddressConflicts, {gauge_value(conflicts, {})}));
}

void add_source(const PodSource& source, Families& families) {
    families.push_back(gauge(metric::kPodSourceReady, {gauge_value(source.ready() ? 1 : 0, {})}));
    for (const auto& figure : source.figures()) {
        const std::string name = "fsm_pod_source_" + figure.name;
        if (figure.kind == SourceFigure::Kind::level) {
            families.push_back(
                gauge({name.c_str(), figure.help.c_str()}, {gauge_value(figure.value, {})}));
        } else {
            families.push_back(counter(name + "_total", figure.help, figure.value));
        }
    }
}

// Every component always has a value: an alert clears at 0, but not if the series disappears.
void add_conditions(const Views& views, Families& families) {
    std::map<Component, double> counts;
    for (const Component component : kComponents) {
        counts[component] = 0;
    }
    std::array<double, kKnownConditions.size()> lasting{};
    for (const Condition& condition : views.conditions.all()) {
        counts[condition.component] += 1;
        lasting[known_condition_of(condition.component, condition.problem.key)] = 1;
    }
    auto problems = gauge(metric::kProblems, {});
    for (const auto& [component, count] : counts) {
        problems.metric.push_back(
            gauge_value(count, {{"component", std::string(to_string(component))}}));
    }
    families.push_back(std::move(problems));
    auto known = gauge(metric::kCondition, {});
    for (std::size_t index = 0; index < lasting.size(); ++index) {
        const KnownCondition& condition = kKnownConditions[index];
        known.metric.push_back(
            gauge_value(lasting[index], {{"component", std::string(to_string(condition.component))},
                                         {"condition", std::string(condition.name)}}));
    }
    families.push_back(std::move(known));
    families.push_back(counter(metric::kProblemsBegun, views.conditions.begun()));
}

void add_notifier(const PodNotifier* notifier, Families& families) {
    if (notifier == nullptr) {
        return;
    }
    families.push_back(gauge(metric::kPodEventsWaiting,
                             {gauge_value(static_cast<double>(notifier->waiting()), {})}));
    families.push_back(counter(metric::kPodEventsDropped, notifier->dropped()));
}

void add_node(const Views& views, Families& families) {
    families.push_back(gauge(
        metric::kBuildInfo, {gauge_value(1, {{"version", kVersion}, {"profile", views.profile}})}));
    families.push_back(gauge(
        metric::kAutomaticAcceleration,
        {gauge_value(1, {{"scope", std::string(to_string(views.datapath.automatic_acceleration()))},
                         {"reason", views.datapath.automatic_acceleration_reason()}})}));
    auto capabilities = gauge(metric::kKernelCapability, {});
    for (const auto& capability : views.datapath.capabilities()) {
        capabilities.metric.push_back(
            gauge_value(capability.works ? 1 : 0, {{"name", capability.name}}));
    }
    families.push_back(std::move(capabilities));
    add_conditions(views, families);
    add_notifier(views.notifier, families);
}

// What has to be read: an error is noted, and the rest is served.
void add_datapath(const Views& views, Families& families, Failures& failures) {
    if (const auto maps = views.map_fill->of(views.datapath)) {
        add_maps(*maps, families);
    } else {
        failures.note(maps);
    }
    if (const auto counters = views.datapath.counters()) {
        add_counters(*counters, families);
    } else {
        failures.note(counters);
    }
    if (const auto programs = views.datapath.program_statistics()) {
        add_programs(*programs, families);
    } else {
        failures.note(programs);
    }
}

}  // namespace

std::string render_metrics(const Views& views) {
    Families families = views.meter.collect();
    Failures failures;
    add_datapath(views, families, failures);
    views.conditions.follow(Component::metrics, "scrape",
                            failures.result("read what /metrics has, again with each scrape"));
    add_node(views, families);
    add_source(views.source, families);
    add_enrolment_times(views.enroller.enrolment_times(), families);
    add_attachments(views.enroller.attachments(), families);
    families.push_back(
        gauge(metric::kScrapeErrors, {gauge_value(static_cast<double>(failures.count()), {})}));
    return prometheus::TextSerializer().Serialize(families);
}

}  // namespace fsm
