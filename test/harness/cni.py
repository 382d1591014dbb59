"""Calls the CNI plugin as a container runtime does."""

import hashlib
import json
import os
import subprocess
import time

from harness import programs


class CniFailure(Exception):
    def __init__(self, verb, status, error):
        super().__init__(f"{verb} failed with status {status}: {error}")
        self.error = error


class Cni:
    """One network whose chain ends with fsm-cni."""

    def __init__(self, socket, state_directory, timeout_ms=10000):
        self.settings = {"socket": str(socket), "state_dir": str(state_directory),
                         "timeout_ms": timeout_ms}

    @staticmethod
    def container_id(pod):
        return hashlib.sha256(pod.netns.name.encode()).hexdigest()

    def add(self, pod, network="fsm-test"):
        """Returns (the result, seconds)."""
        return self._call("ADD", pod, pod.netns.path, with_result=True, network=network)

    def delete(self, pod, container_id=None, network="fsm-test"):
        return self._call("DEL", pod, pod.netns.path if pod.netns.exists else "",
                          with_result=True, container_id=container_id, network=network)

    def check(self, pod):
        return self._call("CHECK", pod, pod.netns.path, with_result=True)

    def command(self, verb, pod, netns, with_result, network="fsm-test"):
        """Environment and standard input of one call."""
        configuration = {"cniVersion": "1.0.0", "name": network, "type": "fsm-cni",
                         **self.settings}
        if with_result:
            configuration["prevResult"] = pod.previous_result()
        environment = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": self.container_id(pod),
            "CNI_NETNS": netns,
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(programs.PLUGIN.parent),
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={pod.name}",
        }
        return environment, json.dumps(configuration)

    def _call(self, verb, pod, netns, with_result, container_id=None, network="fsm-test"):
        environment, configuration = self.command(verb, pod, netns, with_result, network)
        if container_id:
            environment["CNI_CONTAINERID"] = container_id
        began = time.monotonic()
        process = subprocess.run([programs.PLUGIN], env=environment, input=configuration, text=True,
                                 capture_output=True, timeout=90, check=False)
        seconds = time.monotonic() - began
        if process.returncode != 0:
            raise CniFailure(verb, process.returncode, process.stdout + process.stderr)
        return (json.loads(process.stdout) if process.stdout else None), seconds
