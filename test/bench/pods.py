"""Pods of the benchmark: network namespaces behind a bridge, made by the CNI plugins themselves.

Everything has names of its own (`Node.name`), and Node.close() removes all of it.
"""

import ipaddress
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

PLUGIN_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin")
SIDECAR_UID = 1500
CNI_VERSION = "1.0.0"


class BenchError(Exception):
    """Something that the benchmark needs did not work; the text says what and where."""


def run(command, **settings):
    """Runs a command; returns its standard output. An error carries what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **settings)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise BenchError(f"{' '.join(map(str, command))}: exit {done.returncode}: {said}")
    return done.stdout


def plugin(name, folders=PLUGIN_FOLDERS):
    for folder in folders:
        path = pathlib.Path(folder, name)
        if path.exists():
            return path
    raise BenchError(f"CNI plugin {name} is in none of {', '.join(map(str, folders))}: "
                     "install containernetworking-plugins")


class Node:
    """A bridge, a folder for everything, and the processes that were started."""

    def __init__(self, subnet="10.231.64.0/24"):
        self.name = f"fsm-bench-{os.getpid()}"
        self.bridge = f"fsmb{os.getpid()}"
        self.subnet = ipaddress.ip_network(subnet)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fsm-bench."))
        self.pods = []
        self._processes = []

    def start(self, command, log):
        """Starts a process that lives until close()."""
        with open(self.folder / f"{log}.log", "ab") as output:
            # A session of its own: Ctrl-C is for us, and we stop things in their order.
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, start_new_session=True)
        self._processes.append(process)
        return process

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def stop(self, process, patience=5):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self, before_last=None):
        """Takes everything down. `before_last` runs after the pods have gone, before the folder."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        problems = []

        def attempt(what, *arguments):
            try:
                what(*arguments)
            except (BenchError, OSError) as error:
                problems.append(str(error))

        for process in reversed(self._processes):
            if not getattr(process, "outlives_pods", False):
                attempt(self.stop, process)
        for pod in reversed(self.pods):
            attempt(pod.delete)
        for process in self._processes:
            attempt(self.stop, process)
        if before_last:
            attempt(before_last)
        if pathlib.Path("/sys/class/net", self.bridge).exists():
            attempt(run, ["ip", "link", "del", self.bridge])
        shutil.rmtree(self.folder, ignore_errors=True)
        if problems:
            raise BenchError("cleaning up: " + "; ".join(problems))


class Pod:
    """One network namespace. `chain` are conflist entries behind bridge."""

    def __init__(self, node, name, chain=()):
        self.node = node
        self.name = name
        self.netns_name = f"{node.name}-{name}"
        self.netns = pathlib.Path("/run/netns", self.netns_name)
        self._plugins = []  # (path, configuration) of those that ADD succeeded for
        self._chain = [self._bridge_entry(), *chain]
        run(["ip", "netns", "add", self.netns_name])
        node.pods.append(self)
        self.inside("ip", "link", "set", "lo", "up")
        # Thousands of short connections a second: without these the client runs out of ports, in
        # every mode alike.
        self.inside("sysctl", "-qw", "net.ipv4.tcp_tw_reuse=1",
                    "net.ipv4.ip_local_port_range=16384 65535")
        self._add()

    def _bridge_entry(self):
        return {"type": "bridge", "bridge": self.node.bridge, "isGateway": True,
                "ipam": {"type": "host-local", "dataDir": str(self.node.folder / "ipam"),
                         "ranges": [[{"subnet": str(self.node.subnet)}]],
                         "routes": [{"dst": "0.0.0.0/0"}]}}

    def _environment(self, command):
        return {"CNI_COMMAND": command, "CNI_CONTAINERID": self.netns_name,
                "CNI_NETNS": str(self.netns), "CNI_IFNAME": "eth0",
                "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={self.name}",
                "CNI_PATH": ":".join(PLUGIN_FOLDERS), "PATH": os.environ["PATH"]}

    def _add(self):
        result = None
        for entry in self._chain:
            configuration = {"cniVersion": CNI_VERSION, "name": self.node.name, **entry}
            path = configuration.pop("path", None) or plugin(entry["type"])
            if result is not None:
                configuration["prevResult"] = result
            output = run([path], input=json.dumps(configuration), env=self._environment("ADD"))
            self._plugins.append((path, configuration))
            result = json.loads(output)
        self.address = str(ipaddress.ip_interface(result["ips"][0]["address"]).ip)

    def delete(self):
        """DEL in reverse order, then the namespace."""
        while self._plugins:
            path, configuration = self._plugins.pop()
            run([path], input=json.dumps(configuration), env=self._environment("DEL"))
        if self.netns.exists():
            run(["ip", "netns", "del", self.netns_name])

    def command(self, *arguments, uid=None):
        entered = ["nsenter", f"--net={self.netns}"]
        if uid is not None:
            entered += ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        return [*entered, *map(str, arguments)]

    def inside(self, *arguments):
        return run(self.command(*arguments))

    def start(self, *arguments, uid=None):
        return self.node.start(self.command(*arguments, uid=uid), log=self.name)

    def wait_for_listener(self, port, seconds=10):
        deadline = time.monotonic() + seconds
        while not self.inside("ss", "-Hltn", f"sport = :{port}").strip():
            if time.monotonic() > deadline:
                raise BenchError(f"nothing listens on port {port} in pod {self.name} after "
                                 f"{seconds} s: {self.node.log(self.name)}")
            time.sleep(0.05)
