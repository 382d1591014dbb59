#include "interceptor/api/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <map>
#include <utility>
#include <vector>

#include "common/version.h"
#include "interceptor/api/metric_table.h"

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

MetricFamily counter(std::string name, std::string help, double value) {
    ClientMetric metric;
    metric.counter.value = value;
    return {std::move(name), std::move(help), MetricType::Counter, {metric}};
}

MetricFamily counter(const metric::Description& what, std::uint64_t value) {
    return counter(what.name, what.help, static_cast<double>(value));
}

void add_maps(const std::vector<DatapathMap>& maps, Families& families) {
    auto entries = gauge(metric::kMapEntries, {});
    auto limits = gauge(metric::kMapMaxEntries, {});
    for (const auto& map : maps) {
        const Labels labels = {{"map", map.name}};
        entries.metric.push_back(gauge_value(static_cast<double>(map.entries), labels));
        limits.metric.push_back(gauge_value(static_cast<double>(map.max_entries), labels));
    }
    families.push_back(std::move(entries));
    families.push_back(std::move(limits));
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
    for (const Condition& condition : views.conditions.all()) {
        counts[condition.component] += 1;
    }
    auto problems = gauge(metric::kProblems, {});
    for (const auto& [component, count] : counts) {
        problems.metric.push_back(
            gauge_value(count, {{"component", std::string(to_string(component))}}));
    }
    families.push_back(std::move(problems));
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

}  // namespace

std::string render_metrics(const Views& views) {
    Families families = views.meter.collect();
    double errors = 0;
    add_node(views, families);
    add_source(views.source, families);
    add_attachments(views.enroller.attachments(), families);
    if (const auto maps = views.map_fill->of(views.datapath)) {
        add_maps(*maps, families);
    } else {
        ++errors;
    }
    if (const auto counters = views.datapath.counters()) {
        for (const auto& value : *counters) {
            families.push_back(counter("fsm_" + value.name + "_total", value.help,
                                       static_cast<double>(value.value)));
        }
    } else {
        ++errors;
    }
    families.push_back(gauge(metric::kScrapeErrors, {gauge_value(errors, {})}));
    return prometheus::TextSerializer().Serialize(families);
}

}  // namespace fsm
