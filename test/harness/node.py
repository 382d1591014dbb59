"""A miniature of a cluster's node: a network namespace with a bridge, and pods behind it.

Pods are network namespaces with an interface eth0, IPv4 and IPv6. Everything is named after the node,
so that several nodes, of several test runs, can be there at the same time.
"""

import ipaddress
import itertools
import json
import os
import subprocess

from harness.place import ControlGroup, Place

APPLICATION_UID = 1000

_numbers = itertools.count()


def ip(*arguments, netns=None):
    command = ["ip", *(["-n", netns] if netns else []), *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, text=True)


def _ip_batch(netns, *lines):
    """Many commands in one process; netns None: in the current namespace, where namespaces are
    created."""
    command = ["ip", *(["-n", netns] if netns else []), "-batch", "-"]
    result = subprocess.run(command, input="\n".join(lines), check=False, capture_output=True,
                            text=True)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr}")


class Netns:
    def __init__(self, name):
        self.name = name
        self.path = f"/run/netns/{name}"

    def create(self):
        ip("netns", "add", self.name)
        return self

    @property
    def exists(self):
        return os.path.exists(self.path)

    def delete(self):
        if self.exists:
            ip("netns", "delete", self.name)


class Node:
    GATEWAY4 = "10.77.0.1"
    GATEWAY6 = "fd77::1"

    def __init__(self):
        self.name = f"fsmt{os.getpid()}x{next(_numbers)}"
        self._pods = []
        self._next_host = 10
        self.control_group = ControlGroup(self.name)
        self.pod_cgroup = self.control_group.child("pods")
        self.netns = Netns(f"{self.name}-node").create()
        _ip_batch(self.netns.name,
                  "link set lo up",
                  "link add br0 type bridge",
                  f"addr add {self.GATEWAY4}/16 dev br0",
                  f"addr add {self.GATEWAY6}/64 dev br0 nodad",
                  "link set br0 up")
        self.place = Place(self.netns.path, self.control_group.child("node"))
        self.place.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    def pod(self, name, like=None):
        """A new pod. It gets new addresses, or those of `like`, a removed pod."""
        pod = self._new_pod(name, like)
        pod.netns.create()
        _ip_batch(self.netns.name, *pod.cable())
        _ip_batch(pod.netns.name, *pod.setup())
        return pod

    def many_pods(self, names):
        """The same for many pods, with far fewer processes."""
        pods = [self._new_pod(name) for name in names]
        _ip_batch(None, *(f"netns add {pod.netns.name}" for pod in pods))
        _ip_batch(self.netns.name, *(line for pod in pods for line in pod.cable()))
        for pod in pods:
            _ip_batch(pod.netns.name, *pod.setup())
        return pods

    def _new_pod(self, name, like=None):
        host = like.host if like else self._next_host
        if not like:
            self._next_host += 1
        pod = Pod(self, name, host)
        self._pods.append(pod)
        return pod

    def delete(self):
        self.control_group.remove()
        living = [pod.netns.name for pod in self._pods if pod.netns.exists]
        _ip_batch(None, *(f"netns delete {name}" for name in [*living, self.netns.name]))


class Pod:
    """The namespace of a pod. Its places, for processes: `application`, `sidecar`, `root`."""

    def __init__(self, node, name, host):
        self.node = node
        self.name = name
        self.host = host
        self.ip4 = str(ipaddress.ip_address("10.77.0.0") + host)
        self.ip6 = f"fd77::{host:x}"
        self.netns = Netns(f"{node.name}-{name}-{next(_numbers)}")
        self.root = Place(self.netns.path, node.pod_cgroup)
        self.application = self.root.as_user(APPLICATION_UID)
        self._outside = f"v{host}"
        self._plugged_in = True

    def cable(self):
        """The lines for ip -batch, in the node's namespace, that connect the pod."""
        return [f"link add {self._outside} type veth peer name eth0 netns {self.netns.name}",
                f"link set {self._outside} master br0 up"]

    def setup(self):
        """The same in its own namespace."""
        return ["link set lo up",
                f"addr add {self.ip4}/16 dev eth0",
                f"addr add {self.ip6}/64 dev eth0 nodad",
                "link set eth0 up",
                f"route add default via {Node.GATEWAY4}",
                f"route add default via {Node.GATEWAY6}"]

    def address(self, family):
        return {"v4": self.ip4, "v6": self.ip6, "mapped": f"::ffff:{self.ip4}"}[family]

    def previous_result(self, version="1.0.0"):
        """The result of the previous plugins in the chain."""
        return {"cniVersion": version,
                "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01",
                                "sandbox": self.netns.path}],
                "ips": [{"address": f"{self.ip4}/16", "gateway": Node.GATEWAY4, "interface": 0},
                        {"address": f"{self.ip6}/64", "gateway": Node.GATEWAY6, "interface": 0}],
                "routes": [{"dst": "0.0.0.0/0"}],
                "dns": {}}

    def sysctl(self, *settings):
        self.root.run("sysctl", "-qw", *settings)

    def programs_on_interface(self):
        """The names of the tc programs on eth0, from bpftool."""
        listing = json.loads(self.root.run("bpftool", "-j", "net", "show", "dev", "eth0").stdout)
        return sorted(program["name"] for part in listing for program in part.get("tc", []))

    def leave_node(self):
        """Disconnects it: another pod can then get its addresses."""
        self._plugged_in = False
        subprocess.run(["ip", "-n", self.node.netns.name, "link", "delete", self._outside],
                       check=False, capture_output=True)

    def delete(self):
        """Also without DEL, as when a runtime is killed. Its processes must have ended."""
        if self.netns.exists:
            self.netns.delete()
        if self._plugged_in:
            self.leave_node()
