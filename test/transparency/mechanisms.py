"""The mechanisms that redirect a pod's traffic to its sidecar: the plugin point of the transparency
run."""

import os
import pathlib
import subprocess

from harness.mesh import ACCELERATION_ANNOTATION, INBOUND_ANNOTATION
from harness.node import Netns
from pods import SetupError, run

IPTABLES_MESH = pathlib.Path(__file__).resolve().parent.parent / "harness" / "iptables_mesh.sh"


class NoMechanism:
    """No interception; the sidecars are idle."""

    def enrol(self, pod):
        pass

    def withdraw(self, pod):
        pass


class Iptables:
    """The mesh's own rules."""

    def __init__(self, profile):
        self._profile = profile

    def _rules(self, action, pod):
        run(str(IPTABLES_MESH), action, "--profile", self._profile, "--ipv6", "on",
            "--netns", str(pod.netns))

    def enrol(self, pod):
        self._rules("install", pod)

    def withdraw(self, pod):
        self._rules("remove", pod)


class External:
    """The caller's commands, run by a shell with NETNS_PATH, POD_NAME, POD_IP and POD_IP6."""

    def __init__(self, enrol_command, withdraw_command):
        self._enrol = enrol_command
        self._withdraw = withdraw_command

    @staticmethod
    def _run(command, pod):
        environment = dict(os.environ, NETNS_PATH=str(pod.netns), POD_NAME=pod.name,
                           POD_IP=pod.ipv4, POD_IP6=pod.ipv6)
        done = subprocess.run(command, shell=True, env=environment, capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise SetupError(f"{command} for {pod.name}: {done.stderr.strip()}")

    def enrol(self, pod):
        self._run(self._enrol, pod)

    def withdraw(self, pod):
        if self._withdraw:
            self._run(self._withdraw, pod)


class Interceptor:
    """This project: the interceptor, called by the plugin as by a container runtime."""

    def __init__(self, interceptor, inbound, acceleration):
        self._interceptor = interceptor
        self._annotations = {INBOUND_ANNOTATION: inbound, ACCELERATION_ANNOTATION: acceleration}

    def enrol(self, pod):
        self._interceptor.write_manifest(pod, annotations=self._annotations)
        self._interceptor.cni.add(_Attached(pod))

    def withdraw(self, pod):
        self._interceptor.cni.delete(_Attached(pod))
        self._interceptor.remove_manifest(pod)


class _Attached:
    """A pod in the format of the plugin's caller."""

    def __init__(self, pod):
        self.name = pod.name
        self.netns = Netns(pod.name)
        self._addresses = [f"{pod.ipv4}/24", f"{pod.ipv6}/64"]

    def previous_result(self):
        return {"cniVersion": "1.0.0",
                "interfaces": [{"name": "eth0", "sandbox": self.netns.path}],
                "ips": [{"address": address, "interface": 0} for address in self._addresses]}
