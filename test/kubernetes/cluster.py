"""Controls the test cluster by the scripts of this folder and kubectl."""

import json
import os
import pathlib
import signal
import subprocess
import time

from harness.wait import eventually

FOLDER = pathlib.Path(__file__).resolve().parent
HOME = pathlib.Path(os.environ.get("FSM_K8S", FOLDER.parents[1] / "build/kubernetes")).resolve()
NAMESPACE = "default"
# The limit for anything that Kubernetes has to do once; the machine may be busy.
PATIENCE = 60


class CommandFailed(Exception):
    pass


class Cluster:
    """One node at first; `add_node` adds the second."""

    def __init__(self):
        self.nodes = []

    @property
    def environment(self):
        """The environment for programs that use the cluster themselves."""
        state = HOME / "state/fsmk8s1"
        return {**os.environ, "FSM_K8S": str(HOME), "PATH": f"{HOME}/bin:{os.environ['PATH']}",
                "KUBECONFIG": str(state / "admin.kubeconfig"),
                "KUBECACHEDIR": str(state / "kubectl-cache"),
                "HELM_CACHE_HOME": str(state / "helm/cache"),
                "HELM_CONFIG_HOME": str(state / "helm/config"),
                "HELM_DATA_HOME": str(state / "helm/data"),
                "HOME": str(state), "NO_PROXY": "10.199.0.11"}

    def run(self, *words, check=True, stdin="", timeout=300):
        done = subprocess.run([str(word) for word in words], env=self.environment, input=stdin,
                              capture_output=True, text=True, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise CommandFailed(f"{' '.join(map(str, words))}: exit {done.returncode}\n"
                                f"{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return done

    # ---- nodes ----

    def add_node(self):
        number = len(self.nodes) + 1
        self.run(FOLDER / "up.sh", number)
        self.nodes.append(f"fsmk8s{number}")
        return self.nodes[-1]

    def power_off(self, node):
        """Without a shutdown of what runs there; its disk stays."""
        first_process = int((HOME / "state" / node / "node.pid").read_text())
        os.kill(first_process, signal.SIGKILL)
        wire = pathlib.Path("/sys/class/net", node)
        eventually(lambda: not pathlib.Path("/proc", str(first_process)).exists()
                   and not wire.exists(), timeout=PATIENCE)

    def power_on(self, node):
        self.run(FOLDER / "up.sh", node.removeprefix("fsmk8s"))

    def label(self, node, **labels):
        """A label of value None is removed."""
        words = [f"{key}-" if value is None else f"{key}={value}" for key, value in labels.items()]
        self.kubectl("label", "--overwrite", "node", node, *words)

    def taints(self, node):
        return [taint["key"] for taint in self.get("node", node)["spec"].get("taints", [])]

    def repair(self):
        """Restarts what has ended on the first node."""
        self.run(FOLDER / "up.sh", 1)

    def down(self):
        self.run(FOLDER / "down.sh")
        self.nodes = []

    def snapshot(self):
        return self.run(FOLDER / "snapshot.sh").stdout.splitlines()

    def in_node(self, node, *words, check=True, timeout=60):
        return self.run(FOLDER / "in.sh", node.removeprefix("fsmk8s"), *words, check=check,
                        timeout=timeout)

    def kill_daemon(self, node, name):
        self.in_node(node, "sh", "-c", f"kill -KILL $(cat /run/services/{name}.pid)")

    def node_file(self, node, path):
        """A file in a folder that only the node uses, as seen by the machine."""
        return HOME / "state" / node / "root" / path.strip("/")

    # ---- the API ----

    def kubectl(self, *words, check=True, stdin="", timeout=120):
        return self.run(HOME / "bin/kubectl", *words, check=check, stdin=stdin, timeout=timeout)

    def get(self, *words, namespace=NAMESPACE):
        return json.loads(self.kubectl("--namespace", namespace, "get", *words, "--output",
                                       "json").stdout)

    def apply(self, *objects):
        self.kubectl("apply", "--filename", "-",
                     stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def wait_ready(self, *pods, namespace=NAMESPACE):
        done = self.kubectl("--namespace", namespace, "wait", "--for", "condition=Ready",
                            "--timeout", f"{PATIENCE}s", *(f"pod/{pod}" for pod in pods),
                            check=False)
        if done.returncode != 0:
            raise CommandFailed(f"{done.stderr}\n{self.description(*pods, namespace=namespace)}")

    def description(self, *pods, namespace=NAMESPACE):
        """For a failure's message: the state of the pods, and the end of their logs."""
        told = self.kubectl("--namespace", namespace, "get", "pods", "--output", "wide", *pods,
                            check=False).stdout
        for pod in pods:
            for words in (("events", "--for", f"pod/{pod}"),
                          ("logs", pod, "--all-containers", "--prefix", "--tail", "10")):
                done = self.kubectl("--namespace", namespace, *words, check=False)
                told += done.stdout[-3000:] + done.stderr[-500:]
        return told

    def delete_pods(self, *pods, namespace=NAMESPACE):
        if pods:
            self.kubectl("--namespace", namespace, "delete", "pod", "--ignore-not-found",
                         "--timeout", f"{PATIENCE}s", *pods)

    def annotate(self, pod, **annotations):
        """An annotation of value None is removed. Names: `outbound_port_exclusion_list=...`."""
        words = []
        for name, value in annotations.items():
            key = "flomesh.io/" + name.replace("_", "-")
            words.append(f"{key}-" if value is None else f"{key}={value}")
        self.kubectl("annotate", "--overwrite", "pod", pod, *words)

    def events(self, pod, namespace=NAMESPACE):
        return self.get("events", "--field-selector", f"involvedObject.name={pod}",
                        namespace=namespace)["items"]

    def addresses(self, pod):
        """IPv4 and IPv6 of a pod."""
        return [entry["ip"] for entry in self.get("pod", pod)["status"]["podIPs"]]

    def logs(self, pod, container="sidecar", namespace=NAMESPACE):
        return self.kubectl("--namespace", namespace, "logs", pod, "--container",
                            container).stdout

    # ---- inside of pods ----

    def execute(self, pod, *words, container="app", check=True, timeout=60):
        return self.kubectl("exec", pod, "--container", container, "--", *words, check=check,
                            timeout=timeout)

    def start_in(self, pod, *words, container="app"):
        """A command that runs beside the test; its standard output is a pipe."""
        return subprocess.Popen(
            [HOME / "bin/kubectl", "exec", pod, "--container", container, "--",
             *map(str, words)], env=self.environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def container(self, pod, name="app", namespace=NAMESPACE):
        """The node of a container, and its runtime id."""
        described = self.get("pod", pod, namespace=namespace)
        statuses = {each["name"]: each for each in described["status"]["containerStatuses"]}
        return Container(self, described["spec"]["nodeName"],
                         statuses[name]["containerID"].removeprefix("containerd://"))

    def pods_gone(self, *labels):
        eventually(lambda: not self.get("pods", "--selector", ",".join(labels))["items"],
                   timeout=PATIENCE)


class Container:
    """Access to a container without the API server."""

    def __init__(self, cluster, node, identifier):
        self._cluster, self._node, self._id = cluster, node, identifier

    def execute(self, *words, check=True):
        process = f"test-{time.monotonic_ns()}"
        return self._cluster.in_node(self._node, "ctr", "--namespace", "k8s.io", "task", "exec",
                                     "--exec-id", process, self._id, *words, check=check)

    def kill(self):
        self._cluster.in_node(self._node, "ctr", "--namespace", "k8s.io", "task", "kill",
                              "--signal", "SIGKILL", self._id)

    def in_network(self, *words):
        """A program of the node, in the pod's network namespace."""
        listing = self._cluster.in_node(self._node, "ctr", "--namespace", "k8s.io", "task",
                                        "ls").stdout
        pids = {line.split()[0]: line.split()[1] for line in listing.splitlines()[1:]}
        return self._cluster.in_node(self._node, "nsenter", "--target", pids[self._id], "--net",
                                     *words).stdout
