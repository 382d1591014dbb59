// RequestMeter: counts CNI requests, their results and their durations.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace prometheus {
struct MetricFamily;
}

namespace fsm {

// Threads: every function may be called from any thread.
class RequestMeter {
  public:
    RequestMeter();
    ~RequestMeter();
    RequestMeter(const RequestMeter&) = delete;
    RequestMeter& operator=(const RequestMeter&) = delete;

    // The series of a verb exist from here on, with 0: the first request is then an increase, too.
    void expect(const std::string& verb);
    void count(const std::string& verb, bool succeeded, std::chrono::nanoseconds duration);
    std::vector<prometheus::MetricFamily> collect() const;

  private:
    class Families;

    std::unique_ptr<Families> families_;
};

}  // namespace fsm
