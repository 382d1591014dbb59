"""The interceptor as a process: start, kill, restart, query, removal."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from harness import programs
from harness.cni import Cni
from harness.wait import eventually

START_TIMEOUT = 120  # on an overloaded machine; usually less than a second


class Interceptor:
    """One instance with its own files, pins and cgroup, for the pods of one node."""

    def __init__(self, node, **settings):
        self.node = node
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="fsm-netns-"))
        os.chmod(self.directory, 0o755)  # sidecars write their reports below it
        self.manifests = self.directory / "manifests"
        self.manifests.mkdir()
        self.run_directory = self.directory / "run"
        self._mount_run_directory()
        self.state = self.run_directory / "fsm"
        self.bpffs = self.directory / "bpffs"
        self.bpffs.mkdir()
        self.socket = self.directory / "fsm.sock"
        self.log = self.directory / "interceptor.log"
        self.log.touch()
        self.settings = {
            "socket": str(self.socket),
            "stateDirectory": str(self.state),
            "bpffs": str(self.bpffs),
            "bpfName": "fsm",
            "cgroup": str(node.pod_cgroup),
            "profile": "fsm",
            "podSource": {"directory": str(self.manifests)},
            "logLevel": "debug",
            **settings,
        }
        self.configuration = self.directory / "interceptor.yaml"
        self.process = None
        self.cni = Cni(self.socket, self.state)

    def _mount_run_directory(self):
        """A node's /run is a tmpfs, and the interceptor's state is there."""
        self.run_directory.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "tmpfs",
                        str(self.run_directory)], check=True)

    # ---- the process ----

    def start(self):
        self.configuration.write_text(json.dumps(self.settings))  # JSON is YAML
        with self.log.open("ab") as log:
            self.process = self.node.place.start(programs.INTERCEPTOR, "run", "--config",
                                                 self.configuration, stdout=log, stderr=log,
                                                 stdin=subprocess.DEVNULL)
        eventually(self._is_ready, START_TIMEOUT)
        return self

    def _is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the interceptor ended with {self.process.returncode}:\n"
                               f"{self.log_tail()}")
        try:
            self.get("status")
            return True
        except (OSError, http.client.HTTPException):
            return False

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL: no clean-up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self):
        """A clean stop, as by an init system."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(20)
        assert status == 0, f"SIGTERM ended the interceptor with {status}:\n{self.log_tail()}"

    def restart(self, **settings):
        if self.is_running:
            self.stop()
        self.settings.update(settings)
        return self.start()

    def uninstall(self):
        result = self.node.place.run(programs.INTERCEPTOR, "uninstall", "--config",
                                     self.configuration, check=False)
        assert result.returncode == 0, f"uninstall failed:\n{result.stdout}\n{result.stderr}"

    def remove(self):
        """Removes everything, in any state."""
        problems = []
        if self.is_running:
            self.kill()
        if self.configuration.exists():
            try:
                self.uninstall()
            except AssertionError as problem:
                problems.append(str(problem))
        for mounted in (self.bpffs, self.run_directory):
            if os.path.ismount(mounted):
                subprocess.run(["umount", str(mounted)], check=True)
        shutil.rmtree(self.directory)
        if problems:
            raise RuntimeError("\n".join(problems))

    def log_tail(self, since=0, limit=8000):
        with self.log.open("rb") as log:
            log.seek(since)
            return log.read()[-limit:].decode(errors="replace")

    def resident_kilobytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise RuntimeError("no VmRSS: the interceptor is gone")

    # ---- queries ----

    def get(self, route):
        return json.loads(self.get_text(f"/v1/{route}"))

    def get_text(self, path):
        connection = _UnixConnection(str(self.socket))
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise OSError(f"GET {path}: {response.status} {body!r}")
        return body.decode()

    def map_entries(self):
        """Name -> number of entries."""
        return {entry["name"]: entry["entries"] for entry in self.get("maps")["maps"]}

    def counters(self):
        """Name -> value."""
        return self.get("counters")["counters"]

    def pods(self):
        return self.get("pods")["pods"]

    def pod_state(self, pod):
        """The interceptor's view of a pod; None if it does not know the pod."""
        return next((state for state in self.pods()
                     if state["containerID"] == self.cni.container_id(pod)), None)

    def works(self, capability):
        """Whether the kernel has this feature, by the interceptor's probe."""
        named = {each["name"]: each for each in self.get("status")["capabilities"]}
        assert capability in named, f"no capability {capability!r} among {sorted(named)}"
        return named[capability]["works"]

    # ---- pods ----

    def write_manifest(self, pod, **details):
        path = self.manifests / f"{pod.name}.yaml"
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(json.dumps(manifest(pod.name, **details)))
        unfinished.rename(path)

    def remove_manifest(self, pod):
        (self.manifests / f"{pod.name}.yaml").unlink(missing_ok=True)

    # ---- pinned maps, as bpftool sees them ----

    def pinned_map(self, name):
        found = [path for path in self.bpffs.rglob(name) if path.is_file()]
        assert len(found) == 1, f"map {name} is pinned {len(found)} times below {self.bpffs}"
        return found[0]

    def dump_map(self, name):
        """[(key, value)] as bytes. bpftool reads a map key by key: if an entry is removed between its key
        and its value, its value is {"error": ...}, and it is no longer in the map."""
        listing = json.loads(_bpftool("-j", "map", "dump", "pinned", self.pinned_map(name)))
        return [(_as_bytes(entry["key"]), _as_bytes(entry["value"])) for entry in listing
                if "error" not in entry["value"]]

    def update_map(self, name, key, value):
        _bpftool("map", "update", "pinned", self.pinned_map(name), "key", "hex", *_hex(key),
                 "value", "hex", *_hex(value))

    def delete_map_entry(self, name, key):
        _bpftool("map", "delete", "pinned", self.pinned_map(name), "key", "hex", *_hex(key))


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _bpftool(*arguments):
    return subprocess.run(["bpftool", *map(str, arguments)], check=True, capture_output=True,
                          text=True).stdout


def _hex(data):
    return [f"{byte:02x}" for byte in data]


def _as_bytes(listing):
    return bytes(int(number, 16) for number in listing)


def manifest(name, annotations=None, containers=("app", "sidecar"), uid=1500, labels=None,
             pod_uid=None, host_network=False, running=None, init_containers=(), environment=None):
    """An ordinary Pod manifest. `running`: the containers that run, by name, with their ids, as a kubelet
    reports them. `environment` is that of all containers but the application's."""
    def container(container_name):
        description = {"name": container_name, "image": "none"}
        if container_name != "app":
            description["securityContext"] = {"runAsUser": uid}
            description["env"] = [{"name": variable, "value": value}
                                  for variable, value in (environment or {}).items()]
        return description

    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": labels or {},
                     "annotations": annotations or {}, **({"uid": pod_uid} if pod_uid else {})},
        "spec": {"initContainers": [container(each) for each in init_containers],
                 "containers": [container(each) for each in containers],
                 "hostNetwork": host_network},
        "status": {"containerStatuses": [
            {"name": each, "containerID": f"containerd://{identity}",
             "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
            for each, identity in (running or {}).items()]},
    }


