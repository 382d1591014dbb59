#include "interceptor/daemon.h"

#include <signal.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/version.h"
#include "interceptor/api/cni_routes.h"
#include "interceptor/api/connection_routes.h"
#include "interceptor/api/http_router.h"
#include "interceptor/api/http_server.h"
#include "interceptor/api/log_routes.h"
#include "interceptor/api/metrics_endpoint.h"
#include "interceptor/api/request_meter.h"
#include "interceptor/api/unix_listener.h"
#include "interceptor/api/view_routes.h"
#include "interceptor/config_watch.h"
#include "interceptor/datapath/mounts.h"
#include "interceptor/health/conditions.h"
#include "interceptor/health/periodic_checks.h"
#include "interceptor/install/installer.h"
#include "interceptor/instance_lock.h"
#include "interceptor/log/log.h"
#include "interceptor/node_pods.h"
#include "interceptor/sync/chain_use.h"
#include "interceptor/sync/reconciler.h"
#include "interceptor/uninstall.h"

namespace fsm {

namespace {

// The pod source may call back while the reconciler is being destroyed.
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

// Why the interceptor stops. `left`: the DaemonSet no longer selects this node.
enum class ExitReason : std::uint8_t { stopped, removed, left };

// Waits for a signal and returns it.
int wait_for_signal() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    int received = 0;
    sigwait(&signals, &received);
    return received;
}

// Without pods in the data path nothing has to stay.
ExitReason exit_reason_of_deselected(const Datapath& datapath) {
    const auto held = datapath.pods();
    if (held && held->empty()) {
        log::info(
            "stopping: the DaemonSet no longer selects this node, and no pod of the mesh runs "
            "here: removing everything");
        return ExitReason::removed;
    }
    log::info(
        "stopping: the DaemonSet no longer selects this node: removing fsm-cni from the chain. "
        "{} pods stay intercepted until they end; pods that start from now on are "
        "not. `fsm-interceptor uninstall` on the node removes the rest",
        held ? std::to_string(held->size()) : "an unknown number of");
    return ExitReason::left;
}

// The cluster stops the pod in the same way for an upgrade and for a removal.
ExitReason wait_for_end(RemovalWatch* removal, const Datapath& datapath) {
    const int received = wait_for_signal();
    const StopReason reason = received == SIGTERM && removal != nullptr ? removal->stop_reason()
                                                                        : StopReason::replacement;
    switch (reason) {
        case StopReason::removal:
            log::info("stopping: {}; the interceptor's DaemonSet is gone, so everything is removed",
                      strsignal(received));
            return ExitReason::removed;
        case StopReason::deselection:
            return exit_reason_of_deselected(datapath);
        case StopReason::replacement:
            break;
    }
    log::info("stopping: {}; pods stay as they are", strsignal(received));
    return ExitReason::stopped;
}

void log_kernel(const Datapath& datapath) {
    for (const auto& capability : datapath.capabilities()) {
        log::info("kernel capability=\"{}\" works={} detail=\"{}\"", capability.name,
                  capability.works, capability.detail);
    }
    log::info("acceleration auto means scope={}: {}", to_string(datapath.automatic_acceleration()),
              datapath.automatic_acceleration_reason());
}

// What the node's parts answer when they are asked, and where a condition that begins is told.
void connect_conditions(Conditions& conditions, const NodePods& pods, const Datapath& datapath,
                        const Installer& installer, const ChainUse& chain_use) {
    conditions.ask(Component::datapath, [&] { return datapath.node_conditions(); });
    conditions.ask(Component::pod_source, [&] { return pods.source->problems(); });
    conditions.ask(Component::installation, [&] {
        std::vector<Problem> problems = installer.problems();
        const auto unused = chain_use.problems();
        problems.insert(problems.end(), unused.begin(), unused.end());
        return problems;
    });
    if (pods.taint != nullptr) {
        conditions.ask(Component::node_taint, [&] { return pods.taint->problems(); });
    }
    if (pods.notifier == nullptr) {
        return;
    }
    conditions.ask(Component::events, [&] { return pods.notifier->problems(); });
    if (!pods.own.name.empty() && !pods.own.pod_namespace.empty()) {
        conditions.listen([&](const Condition& condition) {
            pods.notifier->warn(
                {pods.own, pods.own_uid, PodWarningReason::node_problem, condition.problem.text});
        });
    }
}

Result<std::unique_ptr<HttpServer>> serve_api(const std::string& socket, const HttpRouter& router) {
    FSM_ASSIGN(auto listener, UnixListener::open(socket));
    return HttpServer::start(std::make_unique<UnixListener>(std::move(listener)), router);
}

// What is there for as long as the interceptor runs. In the order in which they need each other.
struct Parts {
    const CommandLine& line;
    const NodePods& pods;
    Datapath& datapath;
    Installer& installer;
    Conditions& conditions;
    Enroller& enroller;
    const ConfigWatch& config_watch;
};

// The socket comes last: a client that finds it finds an interceptor that is ready.
Result<ExitReason> serve_until_end(const Parts& parts, const HttpRouter& router,
                                   const Views& views) {
    const std::string& socket = parts.line.config.socket;
    FSM_ASSIGN(const auto server, serve_api(socket, router));
    log::info("ready: socket={} attachments={}", socket, parts.enroller.attachments().size());
    parts.installer.start();
    NodeTaint* const taint = parts.pods.taint.get();
    if (taint != nullptr) {
        taint->start([&views] { return readiness(views); });
    }
    const ExitReason ending = wait_for_end(parts.pods.removal.get(), parts.datapath);
    if (taint != nullptr) {
        taint->stop();
    }
    // Before the server waits for the requests that run: those that wait for a pod end now.
    parts.enroller.interrupt();
    return ending;
}

Views views_of(const Parts& parts, const Reconciler& reconciler, const RequestMeter& meter) {
    const Config& config = parts.line.config;
    return {parts.enroller,
            parts.datapath,
            *parts.pods.source,
            meter,
            parts.conditions,
            parts.pods.notifier.get(),
            config.profile,
            std::string(to_string(config.mode)),
            configured(config.enroller.defaults.inbound_mechanism),
            configured(config.enroller.defaults.acceleration),
            [&] { return reconciler.age(); },
            [&installer = parts.installer] { return installer.installed(); }};
}

Result<ExitReason> serve(const Parts& parts) {
    auto relay = std::make_shared<ChangeRelay>();
    FSM_TRY(parts.pods.source->watch([relay](const PodName& name) { relay->pod_changed(name); }));
    FSM_TRY(parts.enroller.restore());
    Reconciler reconciler(parts.enroller, parts.conditions);
    relay->connect(&reconciler);

    RequestMeter meter;
    const Views views = views_of(parts, reconciler, meter);
    MetricsEndpoint metrics(parts.line.config.metrics_address, views);
    const PeriodicChecks checks(
        parts.conditions,
        {{Component::configuration, "configuration", [&] { return parts.config_watch.check(); }},
         {Component::metrics, "endpoint", [&] { return metrics.serve(); }}});
    HttpRouter router{error_body_of};
    add_cni_routes(router, parts.enroller, meter);
    add_view_routes(router, views);
    add_connection_routes(router, views);
    add_log_routes(router);
    auto ending = serve_until_end(parts, router, views);
    relay->connect(nullptr);
    return ending;
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
Result<ExitReason> run_until_end(const CommandLine& line) {
    const Config& config = line.config;
    FSM_ASSIGN(const auto lock, InstanceLock::take(config.enroller.state_directory));
    // Before the data path is touched: it may be another interceptor's.
    FSM_TRY(remove_stale_socket(config.socket));
    FSM_ASSIGN(auto profile, MeshProfile::find(config.profile, config.profiles_directory));
    const ConfigWatch config_watch(line, profile);
    FSM_ASSIGN(const auto pods, open_node_pods(config));
    FSM_ASSIGN(const auto datapath, open_datapath(config.mode, config.datapath));
    log_kernel(*datapath);
    ChainUse chain_use;
    Installer installer(config.install_options());
    installer.on_place([&chain_use](const std::optional<Installer::Place>& place) {
        if (place) {
            chain_use.entry_present(place->file, place->since);
        } else {
            chain_use.entry_removed();
        }
    });
    Conditions conditions;
    connect_conditions(conditions, pods, *datapath, installer, chain_use);
    FSM_ASSIGN(const auto options, enroller_options(config));
    FSM_ASSIGN(const auto enroller,
               Enroller::open(options, std::move(profile), *pods.source, *datapath, conditions));
    if (pods.notifier != nullptr) {
        enroller->set_notifier(*pods.notifier);
    }
    enroller->set_chain_use(chain_use);
    return serve({line, pods, *datapath, installer, conditions, *enroller, config_watch});
}

}  // namespace

Result<void> run_daemon(const CommandLine& line) {
    const Config& config = line.config;
    log::info("fsm-interceptor {} pid={} mode={} profile={} stateDirectory={}", kVersion, getpid(),
              to_string(config.mode), config.profile, config.enroller.state_directory);
    FSM_ASSIGN(const ExitReason ending, run_until_end(line));
    switch (ending) {
        case ExitReason::removed:
            return uninstall(config);
        case ExitReason::left:
            return leave_node(config);
        case ExitReason::stopped:
            break;
    }
    return {};
}

}  // namespace fsm
