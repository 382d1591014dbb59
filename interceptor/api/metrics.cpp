#include "interceptor/api/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <map>
#include <utility>
#include <vector>

#include "common/version.h"

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

MetricFamily gauge(std::string name, std::string help, std::vector<ClientMetric> metrics) {
    return {std::move(name), std::move(help), MetricType::Gauge, std::move(metrics)};
}

MetricFamily counter(const CounterValue& source) {
    ClientMetric metric;
    metric.counter.value = static_cast<double>(source.value);
    return {"fsm_" + source.name + "_total", source.help, MetricType::Counter, {metric}};
}

void add_maps(const std::vector<DatapathMap>& maps, Families& families) {
    auto entries = gauge("fsm_map_entries", "Entries in use of a map of the data path", {});
    auto limits = gauge("fsm_map_max_entries", "Entries that a map of the data path can hold", {});
    for (const auto& map : maps) {
        const Labels labels = {{"map", map.name}};
        entries.metric.push_back(gauge_value(static_cast<double>(map.entries), labels));
        limits.metric.push_back(gauge_value(static_cast<double>(map.max_entries), labels));
    }
    families.push_back(std::move(entries));
    families.push_back(std::move(limits));
}

void add_attachments(const std::vector<AttachmentState>& states, Families& families) {
    std::array<double, 4> members{};
    double failures = 0;
    double problems = 0;
    double conflicts = 0;
    for (const auto& state : states) {
        members[static_cast<std::size_t>(state.membership)] += 1;
        failures += state.failure.empty() ? 0 : 1;
        problems += static_cast<double>(state.problems.size());
        conflicts += state.enrolled ? static_cast<double>(state.enrolled->conflicts.size()) : 0;
    }
    auto attachments =
        gauge("fsm_attachments", "Attachments of this node by their pod's state", {});
    for (const auto state :
         {Membership::unknown, Membership::not_in_mesh, Membership::in_mesh, Membership::refused}) {
        attachments.metric.push_back(gauge_value(members[static_cast<std::size_t>(state)],
                                                 {{"state", std::string(to_string(state))}}));
    }
    families.push_back(std::move(attachments));
    families.push_back(gauge("fsm_attachment_failures",
                             "Attachments whose wanted state could not be applied",
                             {gauge_value(failures, {})}));
    families.push_back(gauge("fsm_pod_problems", "Settings of pods that could not be used",
                             {gauge_value(problems, {})}));
    families.push_back(gauge("fsm_address_conflicts",
                             "Addresses on a pod's interfaces that are another living pod's",
                             {gauge_value(conflicts, {})}));
}

void add_source(const PodSource& source, Families& families) {
    families.push_back(gauge("fsm_pod_source_ready", "1: it is known which pods there are",
                             {gauge_value(source.ready() ? 1 : 0, {})}));
    for (const auto& figure : source.figures()) {
        const std::string name = "fsm_pod_source_" + figure.name;
        if (figure.kind == SourceFigure::Kind::level) {
            families.push_back(gauge(name, figure.help, {gauge_value(figure.value, {})}));
            continue;
        }
        ClientMetric metric;
        metric.counter.value = figure.value;
        families.push_back({name + "_total", figure.help, MetricType::Counter, {metric}});
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
    auto problems =
        gauge("fsm_problems",
              "What is wrong with this node now, by component; `status` has the words", {});
    for (const auto& [component, count] : counts) {
        problems.metric.push_back(
            gauge_value(count, {{"component", std::string(to_string(component))}}));
    }
    families.push_back(std::move(problems));
    families.push_back(
        counter({"problems_begun", "Problems of this node that have begun since the start",
                 views.conditions.begun()}));
}

void add_notifier(const PodNotifier* notifier, Families& families) {
    if (notifier == nullptr) {
        return;
    }
    families.push_back(gauge("fsm_pod_events_waiting",
                             "Warnings about pods that are to be written as events",
                             {gauge_value(static_cast<double>(notifier->waiting()), {})}));
    families.push_back(counter({"pod_events_dropped",
                                "Warnings about pods that were given up: refused by the API, or "
                                "too many",
                                notifier->dropped()}));
}

void add_node(const Views& views, Families& families) {
    families.push_back(
        gauge("fsm_build_info", "Version and profile of the interceptor",
              {gauge_value(1, {{"version", kVersion}, {"profile", views.profile}})}));
    families.push_back(gauge(
        "fsm_automatic_acceleration", "What acceleration: auto means on this kernel",
        {gauge_value(1, {{"scope", std::string(to_string(views.datapath.automatic_acceleration()))},
                         {"reason", views.datapath.automatic_acceleration_reason()}})}));
    auto capabilities = gauge("fsm_kernel_capability", "1: this kernel can do it", {});
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
            families.push_back(counter(value));
        }
    } else {
        ++errors;
    }
    families.push_back(gauge("fsm_scrape_errors", "Parts of this page that could not be read",
                             {gauge_value(errors, {})}));
    return prometheus::TextSerializer().Serialize(families);
}

}  // namespace fsm
