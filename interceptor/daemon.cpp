#include "interceptor/daemon.h"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <utility>

#include "common/version.h"
#include "interceptor/api/cni_routes.h"
#include "interceptor/api/http_router.h"
#include "interceptor/api/http_server.h"
#include "interceptor/api/request_meter.h"
#include "interceptor/api/unix_listener.h"
#include "interceptor/api/view_routes.h"
#include "interceptor/instance_lock.h"
#include "interceptor/node_pods.h"
#include "interceptor/sync/reconciler.h"

namespace fsm {

namespace {

// The pod source may call while the reconciler is being taken down.
class ChangeRelay {
  public:
    void connect(Reconciler* reconciler) {
        const std::lock_guard guard(mutex_);
        reconciler_ = reconciler;
    }
    void pod_changed(const PodName& name) {
        const std::lock_guard guard(mutex_);
        if (reconciler_ != nullptr) {
            reconciler_->pod_changed(name);
        }
    }

  private:
    std::mutex mutex_;
    Reconciler* reconciler_ = nullptr;
};

template <typename Choice>
std::string configured(const std::optional<Choice>& choice) {
    return choice ? std::string(to_string(*choice)) : "auto";
}

void wait_for_signal() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    int received = 0;
    sigwait(&signals, &received);
    spdlog::info("stopping: {}; the data path stays in the kernel", strsignal(received));
}

void log_kernel(const Datapath& datapath) {
    for (const auto& capability : datapath.capabilities()) {
        spdlog::info("kernel capability=\"{}\" works={} detail=\"{}\"", capability.name,
                     capability.works, capability.detail);
    }
    spdlog::info("acceleration auto means scope={}: {}",
                 to_string(datapath.automatic_acceleration()),
                 datapath.automatic_acceleration_reason());
}

Result<void> serve(const Config& config, Enroller& enroller, Datapath& datapath,
                   PodSource& source) {
    auto relay = std::make_shared<ChangeRelay>();
    FSM_TRY(source.watch([relay](const PodName& name) { relay->pod_changed(name); }));
    FSM_TRY(enroller.restore());
    Reconciler reconciler(enroller);
    relay->connect(&reconciler);

    RequestMeter meter;
    HttpRouter router;
    add_cni_routes(router, enroller, meter);
    add_view_routes(router, {enroller, datapath, source, meter, config.profile,
                             configured(config.enroller.defaults.inbound_mechanism),
                             configured(config.enroller.defaults.acceleration),
                             [&reconciler] { return reconciler.age(); }});
    Result<void> outcome;
    {
        // Last: who finds the socket finds an interceptor that is ready.
        auto listener = UnixListener::open(config.socket);
        auto server = listener ? HttpServer::start(std::move(*listener), router)
                               : Result<std::unique_ptr<HttpServer>>(listener.error());
        if (server) {
            spdlog::info("ready: socket={} attachments={}", config.socket,
                         enroller.attachments().size());
            wait_for_signal();
        } else {
            outcome = server.error();
        }
        enroller.interrupt();
    }
    relay->connect(nullptr);
    return outcome;
}

}  // namespace

Result<void> run_daemon(const Config& config) {
    spdlog::info("fsm-interceptor {} pid={} profile={} stateDirectory={}", kVersion, getpid(),
                 config.profile, config.enroller.state_directory);
    FSM_ASSIGN(const auto lock, InstanceLock::take(config.enroller.state_directory));
    // Before the data path is touched: it may be another interceptor's.
    FSM_TRY(remove_stale_socket(config.socket));
    FSM_ASSIGN(auto profile, MeshProfile::find(config.profile, config.profiles_directory));
    FSM_ASSIGN(const auto source, open_pod_source(config));
    FSM_ASSIGN(const auto datapath, Datapath::open(config.datapath));
    log_kernel(*datapath);
    FSM_ASSIGN(const auto enroller,
               Enroller::open(config.enroller_options(), std::move(profile), *source, *datapath));
    return serve(config, *enroller, *datapath, *source);
}

}  // namespace fsm
