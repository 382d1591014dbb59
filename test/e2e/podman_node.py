"""A node as the demo makes it: fsm-interceptor, the CNI chain with fsm-cni, a podman of its own.

The shell functions of scripts/lib do the work with podman; nothing of theirs is written again here.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FSM_BUILD_DIR", REPOSITORY / "build/release"))
NETWORK = "fsm-e2e"
BRIDGE = "fsm-e2e0"
SUBNET = "10.231.8.0/24"
APPLICATION_PORT = 8080

CONFIGURATION = """\
socket: {folder}/run/fsm-cni.sock
stateDirectory: {folder}/run/state
bpffs: {folder}/bpf
profile: fsm
podSource:
  directory: {folder}/pods
inbound: {inbound}
acceleration: auto
logLevel: debug
"""

SHELL = """\
set -euo pipefail
source "$0/common.sh"
source "$0/podman.sh"
source "$0/sample_pods.sh"
podman_folder=$1 podman_network=$2
shift 2
"$@"
"""


class CommandFailed(Exception):
    pass


def wait_for(condition, what, seconds=15):
    """The first true value of condition(); fails the test when it does not come."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.1)


class Answer:
    """What curl in the client's application container got."""

    def __init__(self, done):
        *body, facts = done.stdout.splitlines() or [""]
        self.body = "\n".join(body)
        self.exit_code = done.returncode
        self.local, self.remote = (facts.split() + ["", ""])[:2]

    @property
    def seen_by_application(self):
        """The address that nginx saw as its peer."""
        return self.body.split(":")[0]


class PodmanNode:
    def __init__(self, inbound):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fsm-e2e."))
        for name in ("pods", "cni-bin", "bpf", "run"):
            (self.folder / name).mkdir()
        self._configuration = self.folder / "interceptor.yaml"
        self._configuration.write_text(CONFIGURATION.format(folder=self.folder, inbound=inbound))
        self._binary = BUILD / "interceptor/fsm-interceptor"
        self._process = None
        self.started = False

    # --- life -----------------------------------------------------------------------------------

    def start(self):
        self.start_interceptor()
        shutil.copy(BUILD / "cni-plugin/fsm-cni", self.folder / "cni-bin")
        entry = {"type": "fsm-cni", "socket": str(self.folder / "run/fsm-cni.sock"),
                 "state_dir": str(self.folder / "run/cni")}
        self.shell("podman_setup", self._podman_folder, NETWORK, BRIDGE, SUBNET,
                   "," + json.dumps(entry), self.folder / "cni-bin")
        self.started = True
        self.shell("sample_images", self.folder, BUILD / "test/bin/stream")

    def close(self):
        if self.started:
            self.shell("podman_remove")
        self.stop_interceptor()
        done = subprocess.run([self._binary, "uninstall", "--config", self._configuration],
                              capture_output=True, text=True, check=False)
        if os.path.ismount(self.folder / "bpf"):
            subprocess.run(["umount", self.folder / "bpf"], check=True)
        subprocess.run(["ip", "link", "del", BRIDGE], capture_output=True, check=False)
        log = self.interceptor_log()
        shutil.rmtree(self.folder)
        assert done.returncode == 0, f"uninstall: {done.stdout}{done.stderr}\nlog: {log[-2000:]}"

    def start_interceptor(self):
        with open(self.folder / "interceptor.log", "ab") as log:
            self._process = subprocess.Popen(
                [self._binary, "run", "--config", self._configuration], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(self._answers, "fsm-interceptor to answer", 20)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.interceptor_log()[-3000:]}") from None

    def _answers(self):
        assert self._process.poll() is None, "fsm-interceptor has ended"
        try:
            return self.get("/v1/status") is not None
        except CommandFailed:
            return False

    def stop_interceptor(self, with_signal=signal.SIGTERM):
        if self._process and self._process.poll() is None:
            self._process.send_signal(with_signal)
            self._process.wait(15)

    def interceptor_log(self):
        path = self.folder / "interceptor.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def get(self, route):
        done = subprocess.run(["curl", "-sS", "--fail", "--max-time", "5", "--unix-socket",
                               self.folder / "run/fsm-cni.sock", f"http://localhost{route}"],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CommandFailed(f"GET {route}: {done.stderr}")
        return json.loads(done.stdout)

    # --- podman ---------------------------------------------------------------------------------

    @property
    def _podman_folder(self):
        return self.folder / "podman"

    def try_shell(self, *words):
        """Runs a function of scripts/lib, for better or worse."""
        return subprocess.run(["bash", "-c", SHELL, REPOSITORY / "scripts/lib",
                               self._podman_folder, NETWORK, *map(str, words)],
                              capture_output=True, text=True, check=False)

    def shell(self, *words):
        done = self.try_shell(*words)
        if done.returncode != 0:
            raise CommandFailed(f"{words[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def podman(self, *words):
        return self.shell("podman_here", *words)

    def manifest(self, name, like, annotations=None):
        """A manifest of manifests/demo under another name; returns it for start_pod."""
        manifest = yaml.safe_load((REPOSITORY / f"manifests/demo/{like}.yaml").read_text())
        manifest["metadata"]["name"] = name
        manifest["metadata"]["annotations"].update(annotations or {})
        path = self.folder / "pods" / f"{name}.yaml"
        # Written beside it and moved: the interceptor never sees half a file.
        path.with_suffix(".new").write_text(yaml.safe_dump(manifest))
        path.with_suffix(".new").rename(path)
        return path

    def remove_manifest(self, name):
        (self.folder / "pods" / f"{name}.yaml").unlink(missing_ok=True)

    def start_pod(self, path):
        self.shell("start_pod", path)

    def remove_pod(self, name):
        self.shell("remove_pod", name)

    def address(self, name):
        return self.shell("pod_address", name).strip()

    def in_pod(self, name, *command):
        pid = self.shell("pod_pid", name).strip()
        return subprocess.run(["nsenter", "--net", "--target", pid, *map(str, command)],
                              capture_output=True, text=True, check=False)

    def request(self, client, address, port=APPLICATION_PORT):
        """curl in the client's application container."""
        return Answer(self.try_shell(
            "podman_here", "exec", f"{client}-app", "curl", "--silent", "--max-time", "5",
            "--write-out", "%{local_ip}:%{local_port} %{remote_ip}:%{remote_port}\n",
            f"http://{address}:{port}/"))

    def sidecar_saw(self, name, listener, port):
        """(peer, original destination) of every connection to `port` that the sidecar logged."""
        seen = []
        for line in self.podman("logs", f"{name}-sidecar").splitlines():
            words = line.split()
            if len(words) >= 3 and words[0] == listener and words[2].endswith(f":{port}"):
                seen.append((words[1], words[2]))
        return seen
