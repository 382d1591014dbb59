"""The project's part of the test cluster: installed by `fsm`, queried by its socket."""

import json
import re

from harness import programs
from harness.wait import eventually

from cluster import PATIENCE

NAMESPACE = "fsm-system"
DAEMONSET = "fsm-interceptor"
SERVICE_ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{DAEMONSET}"
SOCKET = "/var/run/fsm-cni.sock"
FSM = programs.BUILD / "cli/fsm"
IMAGE = "localhost/fsm-interceptor"
TAG = "test"
NEXT_TAG = "test-next"
METRICS_PORT = 9091
CONFLIST = "/etc/cni/net.d/10-bridge.conflist"
PLUGIN = "/opt/cni/bin/fsm-cni"
PINS = "/sys/fs/bpf/fsm"

# A line of the log: pod, time, level, text.
COMPLAINT = re.compile(r"^\S+ \S+Z (warning|error|critical) ")

# The nodes share a kernel, so each uses its own part of the cgroup tree; real ones need neither.
HERE = ["fsm.hostPaths.cgroup=/sys/fs/cgroup/unified", "fsm.hostPaths.cgroupSubPathExpr=$(NODE_NAME)",
        f"fsm.image.tag={TAG}", "fsm.image.pullPolicy=Never",
        f"fsm.fsmInterceptor.metricsPort={METRICS_PORT}",
        # The machine has two processors: a request for half of one per pod is too much.
        "fsm.fsmInterceptor.resource.requests.cpu=50m"]


class Product:
    def __init__(self, cluster):
        self._cluster = cluster
        self.mode = None
        self._kept_logs = []
        self._expected = []

    # ---- life cycle ----

    def fsm(self, *words, check=True):
        return self._cluster.run(FSM, *words, check=check)

    def install(self, mode="ebpf"):
        settings = [f"trafficInterceptionMode={mode}", *HERE]
        done = self.fsm("install", "--timeout", f"{PATIENCE}s", *_sets(settings), check=False)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{self.log_tails()}"
        self.mode = mode

    def upgrade(self, *settings):
        self.keep_logs()
        self.fsm("mesh", "upgrade", "--timeout", f"{PATIENCE}s", *_sets(settings))
        self.wait_rolled_out()

    def uninstall(self):
        self.keep_logs()
        self.fsm("uninstall", "mesh", "--force", "--delete-namespace")
        self.mode = None

    def ensure(self, mode):
        """Installed in this mode, in any state."""
        if self.mode == mode:
            return
        if self.mode:
            self.uninstall()
        self.install(mode)

    def wait_rolled_out(self):
        self._cluster.kubectl("--namespace", NAMESPACE, "rollout", "status",
                              f"daemonset/{DAEMONSET}", "--timeout", f"{PATIENCE}s")

    # ---- what runs ----

    def pod_on(self, node):
        """The name of the interceptor's pod."""
        pods = self._cluster.get("pods", "--field-selector", f"spec.nodeName={node}",
                                 namespace=NAMESPACE)["items"]
        alive = [pod["metadata"]["name"] for pod in pods
                 if pod["metadata"]["name"].startswith(DAEMONSET)
                 and "deletionTimestamp" not in pod["metadata"]]
        return alive[0] if alive else None

    def replace_pod(self, node):
        """Deletes the interceptor's pod and waits for its successor."""
        self.keep_logs()
        name = self.pod_on(node)
        self._cluster.delete_pods(name, namespace=NAMESPACE)
        eventually(lambda: self.pod_on(node) not in (None, name), timeout=PATIENCE)
        self.wait_rolled_out()

    def ask(self, node, route):
        done = self._cluster.in_node(node, "curl", "--silent", "--fail", "--max-time", "10",
                                     "--unix-socket", SOCKET, f"http://localhost/v1/{route}",
                                     check=False)
        if done.returncode != 0:
            raise OSError(f"the interceptor of {node} does not answer: curl {done.returncode}")
        return json.loads(done.stdout)

    def pods(self, node):
        """{name: the interceptor's entry of each known pod}."""
        return {pod["pod"]: pod for pod in self.ask(node, "pods")["pods"]}

    def enrolled(self, node, name, namespace="default"):
        pod = self.pods(node).get(f"{namespace}/{name}")
        return pod if pod and "acceleration" in pod else None

    def wait_enrolled(self, node, *names):
        for name in names:
            eventually(lambda name=name: self.enrolled(node, name), timeout=20)

    def counters(self, node):
        return self.ask(node, "counters")["counters"]

    def is_in_chain(self, node):
        return b"fsm-cni" in self._cluster.node_file(node, CONFLIST).read_bytes()

    def map_entries(self, node):
        return {entry["name"]: entry["entries"] for entry in self.ask(node, "maps")["maps"]}

    # ---- logs ----

    def keep_logs(self):
        """Logs are removed with their pods."""
        pods = self._cluster.get("pods", namespace=NAMESPACE)["items"]
        for pod in pods:
            name = pod["metadata"]["name"]
            for container in pod["spec"]["containers"]:
                done = self._cluster.kubectl("--namespace", NAMESPACE, "logs", name, "--container",
                                             container["name"], check=False)
                self._kept_logs += [f"{name}: {line}" for line in done.stdout.splitlines()]

    def log_tails(self):
        """The end of the logs of the running interceptors."""
        done = self._cluster.kubectl("--namespace", NAMESPACE, "logs", f"daemonset/{DAEMONSET}",
                                     "--all-pods", "--prefix", "--tail", 40, check=False)
        return done.stdout[-8000:] + done.stderr[-2000:]

    def expect(self, *patterns):
        """A test registers the warnings that it causes."""
        self._expected += patterns

    def unexpected_complaints(self):
        """Lines of level warning or above that no test has caused, without duplicates."""
        seen = {}
        for line in self._kept_logs:
            if COMPLAINT.search(line) and not any(re.search(each, line)
                                                  for each in self._expected):
                seen.setdefault(re.sub(r"\d+", "N", line), line)
        return list(seen.values())


def _sets(settings):
    return [word for setting in settings for word in ("--set", setting)]
