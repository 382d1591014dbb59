"""How a pod's traffic is brought to its sidecar: the plugin point of the transparency run."""

import os
import pathlib
import subprocess

from pods import SetupError, run

IPTABLES_MESH = pathlib.Path(__file__).resolve().parent.parent / "harness" / "iptables_mesh.sh"


class NoMechanism:
    """No interception; the sidecars stand idle."""

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
    """Commands of the caller's, run by a shell with NETNS_PATH, POD_NAME, POD_IP and POD_IP6."""

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
