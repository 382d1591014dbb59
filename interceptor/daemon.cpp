#include "interceptor/daemon.h"

#include <signal.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/version.h"
#include "interceptor/api/cni_routes.h"
#include "interceptor/api/http_router.h"
#include "interceptor/api/http_server.h"
#include "interceptor/api/metrics_endpoint.h"
#include "interceptor/api/request_meter.h"
#include "interceptor/api/unix_listener.h"
#include "interceptor/api/view_routes.h"
#include "interceptor/datapath/mounts.h"
#include "interceptor/install/installer.h"
#include "interceptor/instance_lock.h"
#include "interceptor/log/log.h"
#include "interceptor/node_pods.h"
#include "interceptor/sync/reconciler.h"
#include "interceptor/uninstall.h"

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

// Why the interceptor stops.
enum class Ending : std::uint8_t { stopped, removed };

// Returns the signal.
int wait_for_signal() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    int received = 0;
    sigwait(&signals, &received);
    return received;
}

// The cluster stops the pod in the same way for an upgrade and for a removal.
Ending wait_for_end(RemovalWatch* removal) {
    const int received = wait_for_signal();
    if (received == SIGTERM && removal != nullptr && removal->being_removed()) {
        log::info("stopping: {}; the interceptor's DaemonSet is gone, so everything is removed",
                  strsignal(received));
        return Ending::removed;
    }
    log::info("stopping: {}; pods stay as they are", strsignal(received));
    return Ending::stopped;
}

void log_kernel(const Datapath& datapath) {
    for (const auto& capability : datapath.capabilities()) {
        log::info("kernel capability=\"{}\" works={} detail=\"{}\"", capability.name,
                  capability.works, capability.detail);
    }
    log::info("acceleration auto means scope={}: {}", to_string(datapath.automatic_acceleration()),
              datapath.automatic_acceleration_reason());
}

std::vector<std::string> joined(std::vector<std::string> some,
                                const std::vector<std::string>& others) {
    some.insert(some.end(), others.begin(), others.end());
    return some;
}

Result<std::unique_ptr<HttpServer>> serve_api(const std::string& socket, const HttpRouter& router) {
    FSM_ASSIGN(auto listener, UnixListener::open(socket));
    return HttpServer::start(std::make_unique<UnixListener>(std::move(listener)), router);
}

Result<Ending> serve(const Config& config, Enroller& enroller, Datapath& datapath,
                     const NodePods& pods) {
    PodSource& source = *pods.source;
    auto relay = std::make_shared<ChangeRelay>();
    FSM_TRY(source.watch([relay](const PodName& name) { relay->pod_changed(name); }));
    FSM_TRY(enroller.restore());
    Reconciler reconciler(enroller);
    relay->connect(&reconciler);

    RequestMeter meter;
    Installer installer(config.install_options());
    MetricsEndpoint metrics;
    const Views views = {enroller,
                         datapath,
                         source,
                         meter,
                         config.profile,
                         std::string(to_string(config.mode)),
                         configured(config.enroller.defaults.inbound_mechanism),
                         configured(config.enroller.defaults.acceleration),
                         [&] { return reconciler.age(); },
                         [&] { return joined(installer.problems(), metrics.problems()); },
                         [&] { return installer.installed(); }};
    metrics.start(config.metrics_address, views);
    HttpRouter router;
    add_cni_routes(router, enroller, meter);
    add_view_routes(router, views);
    Result<Ending> outcome = Ending::stopped;
    {
        // Last: who finds the socket finds an interceptor that is ready.
        const auto server = serve_api(config.socket, router);
        if (server) {
            log::info("ready: socket={} attachments={}", config.socket,
                      enroller.attachments().size());
            installer.start();
            outcome = wait_for_end(pods.removal.get());
        } else {
            outcome = server.error();
        }
        enroller.interrupt();
    }
    relay->connect(nullptr);
    return outcome;
}

// With the programs, processes are told apart by their cgroups, too; iptables knows users alone.
Result<EnrollerOptions> enroller_options(const Config& config) {
    EnrollerOptions options = config.enroller_options();
    if (config.mode == InterceptionMode::ebpf) {
        options.cgroup = config.datapath.cgroup;
        if (options.cgroup.empty()) {
            FSM_ASSIGN(options.cgroup, find_or_mount_cgroup2(config.datapath.run_directory));
        }
    }
    return options;
}

// Holds the instance's lock while it runs.
Result<Ending> run_until_end(const Config& config) {
    FSM_ASSIGN(const auto lock, InstanceLock::take(config.enroller.state_directory));
    // Before the data path is touched: it may be another interceptor's.
    FSM_TRY(remove_stale_socket(config.socket));
    FSM_ASSIGN(auto profile, MeshProfile::find(config.profile, config.profiles_directory));
    FSM_ASSIGN(const auto pods, open_node_pods(config));
    FSM_ASSIGN(const auto datapath, open_datapath(config.mode, config.datapath));
    log_kernel(*datapath);
    FSM_ASSIGN(auto options, enroller_options(config));
    FSM_ASSIGN(const auto enroller,
               Enroller::open(std::move(options), std::move(profile), *pods.source, *datapath));
    if (pods.notifier != nullptr) {
        enroller->tell_owners(*pods.notifier);
    }
    return serve(config, *enroller, *datapath, pods);
}

}  // namespace

Result<void> run_daemon(const Config& config) {
    log::info("fsm-interceptor {} pid={} mode={} profile={} stateDirectory={}", kVersion, getpid(),
              to_string(config.mode), config.profile, config.enroller.state_directory);
    FSM_ASSIGN(const Ending ending, run_until_end(config));
    return ending == Ending::removed ? uninstall(config) : Result<void>();
}

}  // namespace fsm
