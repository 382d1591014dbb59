"""The interceptor under measurement: one process, pods with a scope of acceleration each."""

import json
import os
import subprocess
import time

from pods import BenchError, run

MANIFEST = """\
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: default
  annotations:
    flomesh.io/sidecar-injection: enabled
    fsm.flomesh.io/acceleration: "{scope}"
spec:
  containers:
    - {{name: app, image: none}}
    - {{name: sidecar, image: none, securityContext: {{runAsUser: 1500}}}}
"""

CONFIGURATION = """\
socket: {run}/fsm-cni.sock
stateDirectory: {run}/state
bpffs: {folder}/bpf
profile: fsm
podSource:
  directory: {folder}/pods
inbound: {inbound}
acceleration: auto
logLevel: info
"""


class Interceptor:
    def __init__(self, node, build, inbound):
        self._node = node
        self._binary = build / "interceptor/fsm-interceptor"
        self._plugin = build / "cni-plugin/fsm-cni"
        for binary in (self._binary, self._plugin):
            if not os.access(binary, os.X_OK):
                raise BenchError(f"{binary} is missing: build first, or give --build")
        self._run = node.folder / "run"
        self._socket = self._run / "fsm-cni.sock"
        self._configuration = node.folder / "interceptor.yaml"
        for folder in ("run", "pods", "bpf"):
            (node.folder / folder).mkdir()
        self._configuration.write_text(
            CONFIGURATION.format(run=self._run, folder=node.folder, inbound=inbound))

    def add_manifest(self, name, scope):
        manifest = self._node.folder / "pods" / f"{name}.yaml"
        manifest.write_text(MANIFEST.format(name=name, scope=scope))

    def start(self):
        process = self._node.start([self._binary, "run", "--config", self._configuration],
                                   log="interceptor")
        process.outlives_pods = True  # it is asked to forget each of them
        deadline = time.monotonic() + 20
        while True:
            try:
                self.get("/v1/status")
                return
            except BenchError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise BenchError(f"fsm-interceptor does not answer ({error}); its log: "
                                     f"{self._node.log('interceptor')}") from error
            time.sleep(0.1)

    def get(self, route):
        return json.loads(run(["curl", "-sS", "--fail", "--max-time", "5", "--unix-socket",
                               self._socket, f"http://localhost{route}"]))

    def chain(self):
        return [{"type": "fsm-cni", "path": str(self._plugin), "socket": str(self._socket),
                 "state_dir": str(self._run / "cni")}]

    def check_scopes(self, modes):
        """That what was measured is what the rows say: messages were redirected, or were not."""
        counters = self.get("/v1/counters")
        counters = counters.get("counters", counters)
        if isinstance(counters, list):
            counters = {each["name"]: each["value"] for each in counters}
        redirected = counters.get("message_redirected", 0)
        expected = any(mode != "off" for mode in modes)
        if (redirected > 0) != expected:
            raise BenchError(f"modes {', '.join(modes)}, but {redirected} messages were redirected:"
                             f" {json.dumps(self.get('/v1/pods'))[:2000]}")

    def uninstall(self):
        run([self._binary, "uninstall", "--config", self._configuration])
        bpffs = self._node.folder / "bpf"
        if os.path.ismount(bpffs):
            subprocess.run(["umount", bpffs], check=True)
