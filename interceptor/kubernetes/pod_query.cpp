#include "interceptor/kubernetes/pod_query.h"

#include <cerrno>

#include "common/text.h"
#include "interceptor/kubernetes/pod_json.h"
#include "interceptor/pod/pod_reader.h"

namespace fsm {

namespace {

constexpr std::size_t kPodLimit = std::size_t{8} << 20;

// A retry at once would make it worse.
bool is_overloaded(const ApiAnswer& answer) {
    return answer.status == 429 || answer.status >= 500;
}

}  // namespace

// While the API is out of reach, callers must not all wait for the same failing request.
std::optional<Error> PodQuery::out_of_reach() const {
    const std::lock_guard guard(mutex_);
    if (!unreached_ || Clock::now() - unreached_->first > times_.out_of_reach) {
        return std::nullopt;
    }
    return Error(unreached_->second, EAGAIN);
}

Result<FoundPod> PodQuery::ask(const PodName& name) {
    if (!is_namespace_name(name.pod_namespace) || !is_pod_name(name.name)) {
        return FoundPod();  // no pod can have that name
    }
    if (auto away = out_of_reach()) {
        return *away;
    }
    const auto answer = client_.get(
        "/api/v1/namespaces/" + encoded(name.pod_namespace) + "/pods/" + encoded(name.name),
        kPodLimit, {times_.find, times_.find});
    auto found = answer ? understand(name, *answer) : Result<FoundPod>(answer.error());
    if (!answer || is_overloaded(*answer)) {
        const std::lock_guard guard(mutex_);
        unreached_.emplace(Clock::now(), found.error().message());
    }
    return found;
}

Result<FoundPod> PodQuery::understand(const PodName& name, const ApiAnswer& answer) const {
    if (answer.is_not_found()) {
        return FoundPod();
    }
    const std::string what = "ask " + client_.url() + " for pod " + name.to_string();
    if (answer.status != 200) {
        return Error(what + ": it answers " + answer.describe(), EIO);
    }
    auto object = parse_api_json(answer.body, JsonForm::object);
    if (!object) {
        return std::move(object.error()).within(what + ": the answer");
    }
    auto pod = read_api_pod(*object);
    if (!pod) {
        return std::move(pod.error()).within(what + ": the answer cannot be read");
    }
    if (pod->name != name) {
        return Error(what + ": the answer is about pod " + in_quotes(pod->name.to_string()),
                     EBADMSG);
    }
    return FoundPod(std::move(*pod));
}

}  // namespace fsm
