#include "interceptor/api/request_meter.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "interceptor/api/metric_table.h"

namespace fsm {

namespace {

// In seconds. They include the relevant limits: 0.7 ms of processor time for an ADD, 20 ms for one
// under load, 5 s for a pod to become known.
const prometheus::Histogram::BucketBoundaries kBuckets = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

}  // namespace

class RequestMeter::Families {
  public:
    prometheus::Registry registry;
    prometheus::Family<prometheus::Counter>& requests = prometheus::BuildCounter()
                                                            .Name(metric::kCniRequests.name)
                                                            .Help(metric::kCniRequests.help)
                                                            .Register(registry);
    prometheus::Family<prometheus::Histogram>& durations =
        prometheus::BuildHistogram()
            .Name(metric::kCniRequestDuration.name)
            .Help(metric::kCniRequestDuration.help)
            .Register(registry);
};

RequestMeter::RequestMeter() : families_(std::make_unique<Families>()) {}

void RequestMeter::expect(const std::string& verb) {
    for (const char* result : {"ok", "error"}) {
        families_->requests.Add({{"verb", verb}, {"result", result}});
    }
    families_->durations.Add({{"verb", verb}}, kBuckets);
}

RequestMeter::~RequestMeter() = default;

void RequestMeter::count(const std::string& verb, bool succeeded,
                         std::chrono::nanoseconds duration) {
    families_->requests.Add({{"verb", verb}, {"result", succeeded ? "ok" : "error"}}).Increment();
    families_->durations.Add({{"verb", verb}}, kBuckets)
        .Observe(std::chrono::duration<double>(duration).count());
}

std::vector<prometheus::MetricFamily> RequestMeter::collect() const {
    return families_->registry.Collect();
}

}  // namespace fsm
