"""A node like the demo's: fsm-interceptor, the CNI chain with fsm-cni, and a separate podman.

The shell functions of scripts/lib do the work with podman; nothing of theirs is written again here.
"""

import contextlib
import json
import pathlib
import shutil
import subprocess
import tempfile

import yaml

from harness import programs
from harness.interceptor import Interceptor
from harness.place import Place, cgroup2_root

NETWORK = "fsm-e2e"
BRIDGE = "fsm-e2e0"
SUBNET = "10.231.8.0/24"
APPLICATION_PORT = 8080
LIBRARY = programs.REPOSITORY / "scripts/lib"
MANIFESTS = programs.REPOSITORY / "manifests/demo"

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


class Host:
    """The machine itself, in place of the namespace that other tests use as their node."""

    def __init__(self):
        self.pod_cgroup = cgroup2_root()
        self.place = Place("/proc/self/ns/net", self.pod_cgroup)


class Answer:
    """The answer to curl in the client's application container."""

    def __init__(self, done):
        *body, facts = done.stdout.splitlines() or [""]
        self.body = "\n".join(body)
        self.exit_code = done.returncode
        self.local, self.remote = (facts.split() + ["", ""])[:2]

    @property
    def seen_by_application(self):
        """The peer's address as nginx saw it."""
        return self.body.split(":")[0]


class PodmanNode:
    def __init__(self, inbound):
        with contextlib.ExitStack() as stack:
            self.interceptor = Interceptor(Host(), inbound=inbound, bpfName="fsm-e2e")
            stack.callback(self.interceptor.remove)
            self.interceptor.start()
            self._set_up_podman(stack)
            self._stack = stack.pop_all()

    def _set_up_podman(self, stack):
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="fsm-e2e-"))
        stack.callback(shutil.rmtree, self._folder)
        plugins = self._folder / "cni-bin"
        plugins.mkdir()
        shutil.copy(programs.PLUGIN, plugins)
        entry = {"type": "fsm-cni", "socket": str(self.interceptor.socket),
                 "state_dir": str(self.interceptor.state)}
        self.shell("podman_setup", self._podman, NETWORK, BRIDGE, SUBNET,
                   "," + json.dumps(entry), plugins)
        stack.callback(subprocess.run, ["ip", "link", "del", BRIDGE], capture_output=True,
                       check=False)
        stack.callback(self.shell, "podman_remove")
        self.shell("sample_images", self._folder, programs.STREAM)

    def close(self):
        self._stack.close()

    @property
    def _podman(self):
        return self._folder / "podman"

    def try_shell(self, *words):
        """Runs a function of scripts/lib; does not check its status."""
        return subprocess.run(["bash", "-c", SHELL, LIBRARY, self._podman, NETWORK,
                               *map(str, words)], capture_output=True, text=True, check=False)

    def shell(self, *words):
        done = self.try_shell(*words)
        if done.returncode != 0:
            raise CommandFailed(f"{words[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def podman(self, *words):
        return self.shell("podman_here", *words)

    def write_manifest(self, name, like, annotations=None):
        """A manifest of manifests/demo under another name, with additional annotations."""
        manifest = yaml.safe_load((MANIFESTS / f"{like}.yaml").read_text())
        manifest["metadata"]["name"] = name
        manifest["metadata"]["annotations"].update(annotations or {})
        path = self.interceptor.manifests / f"{name}.yaml"
        # Written beside it and renamed: the interceptor never reads an incomplete file.
        path.with_suffix(".new").write_text(yaml.safe_dump(manifest))
        path.with_suffix(".new").rename(path)
        return path

    def remove_manifest(self, name):
        (self.interceptor.manifests / f"{name}.yaml").unlink(missing_ok=True)

    def start_pod(self, path, *options):
        self.shell("start_pod", path, *options)

    def remove_pod(self, name):
        self.shell("remove_pod", name)

    def kill(self, container):
        """Returns when its processes, and with them its listeners, have ended."""
        self.podman("kill", container)
        self.podman("wait", container)

    def address(self, name):
        return self.shell("pod_address", name).strip()

    def in_pod(self, name, *command):
        pid = self.shell("pod_pid", name).strip()
        return subprocess.run(["nsenter", "--net", "--target", pid, *command], check=True,
                              capture_output=True, text=True).stdout

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

    def enrolled(self):
        """The names of the pods that the interceptor has in the mesh."""
        return {pod["pod"].split("/")[-1] for pod in self.interceptor.pods()
                if "acceleration" in pod}
