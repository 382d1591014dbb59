"""Other programs and meshes on the same node."""

import errno
import subprocess

import pytest

from harness import programs
from harness.application import ask, connect_error

REFUSED_PORT = 7777

# Refuses connects to one port, which proves that it runs.
OTHER_PROGRAM = f"""
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
SEC("cgroup/connect4")
int other(struct bpf_sock_addr *ctx) {{ return ctx->user_port != bpf_htons({REFUSED_PORT}); }}
SEC("cgroup/getsockopt")
int other_sockopt(struct bpf_sockopt *ctx) {{ return 1; }}
char other_license[] SEC("license") = "GPL";
"""


def test_redirection_by_conntrack_in_another_namespace_keeps_working(mesh):
    """A pod with the mesh's own iptables rules, in the cgroup of our programs, not enrolled."""
    pod = mesh.stranger("stranger")
    pod.pod.root.run(programs.IPTABLES_MESH, "install", "--profile", "fsm")
    pod.start_sidecar("relay", "--listen", "v4")
    pod.serve(8080)
    other = mesh.outsider("other")
    other.serve(8080)

    assert other.call(ask, pod.pod.ip4, 8080)["peer"] == "127.0.0.6"
    assert pod.call(ask, other.pod.ip4, 8080)["application"] == "other"

    [inbound] = pod.relay.reports("inbound")
    [outbound] = pod.relay.reports("outbound")
    assert inbound["original_dst"] == f"{pod.pod.ip4}:8080"
    assert outbound["original_dst"] == f"{other.pod.ip4}:8080"


def test_request_between_our_pod_and_one_with_iptables(mesh):
    """While a mesh migrates from one to the other."""
    ours = mesh.member("ours")
    ours.start_sidecar()
    theirs = mesh.stranger("theirs")
    theirs.pod.root.run(programs.IPTABLES_MESH, "install", "--profile", "fsm")
    theirs.start_sidecar("relay", "--listen", "v4")
    for pod in (ours, theirs):
        pod.serve(8080)

    for client, server in ((ours, theirs), (theirs, ours)):
        assert client.call(ask, server.pod.ip4, 8080)["peer"] == "127.0.0.6"
        assert client.relay.reports("outbound")[-1]["original_dst"] == f"{server.pod.ip4}:8080"
        assert server.relay.reports("inbound")[-1]["original_dst"] == f"{server.pod.ip4}:8080"


@pytest.mark.parametrize("order", ["before us", "after us"])
def test_other_programs_of_the_cgroup_keep_working(make_mesh, tmp_path, inbound, order):
    mesh = make_mesh(inbound)
    if order == "before us":
        mesh.interceptor.stop()
        mesh.interceptor.uninstall()
    other = OtherProgram(mesh, tmp_path)
    try:
        other.attach()
        if order == "before us":
            mesh.interceptor.start()
        client, server = mesh.pair(8080, REFUSED_PORT)
        expect_both_at_work(client, server, order)
        mesh.interceptor.restart(kernelTracing=True)
        expect_both_at_work(client, server, order)
        mesh.remove()
        mesh.interceptor.stop()
        mesh.interceptor.uninstall()
        assert other.is_attached()
    finally:
        other.remove()


def expect_both_at_work(client, server, order):
    """Programs of one cgroup run in the order of their attachment: an earlier one sees the destination
    that an application requested, a later one the redirected destination."""
    assert client.call(ask, server.pod.ip4, 8080)["peer"] == "127.0.0.6"
    assert client.call(connect_error, "127.0.0.1", REFUSED_PORT) == errno.EPERM
    if order == "before us":
        assert client.call(connect_error, server.pod.ip4, REFUSED_PORT) == errno.EPERM


class OtherProgram:
    """Another project's programs at the same hooks."""

    HOOKS = {"other": "connect4", "other_sockopt": "getsockopt"}

    def __init__(self, mesh, directory):
        self._cgroup = str(mesh.node.pod_cgroup)
        source, compiled = directory / "other.bpf.c", directory / "other.bpf.o"
        source.write_text(OTHER_PROGRAM)
        _run("clang", "-target", "bpf", "-O2", "-g", "-idirafter", "/usr/include/x86_64-linux-gnu",
             "-c", source, "-o", compiled)
        self._mount = directory / "bpffs"
        self._mount.mkdir()
        _run("mount", "-t", "bpf", "bpf", self._mount)
        _run("bpftool", "prog", "loadall", compiled, self._mount / "other")

    def attach(self):
        for name, hook in self.HOOKS.items():
            _run("bpftool", "cgroup", "attach", self._cgroup, hook, "pinned",
                 self._mount / "other" / name, "multi")

    def is_attached(self):
        shown = _run("bpftool", "cgroup", "show", self._cgroup)
        return all(name in shown for name in self.HOOKS)

    def remove(self):
        for name, hook in self.HOOKS.items():
            subprocess.run(["bpftool", "cgroup", "detach", self._cgroup, hook, "pinned",
                            str(self._mount / "other" / name)], check=False, capture_output=True)
        _run("umount", self._mount)


def _run(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True,
                          text=True).stdout


@pytest.mark.parametrize("acceleration", ["sidecar"])
def test_connection_to_a_virtual_address_is_intercepted_and_paired(mesh):
    """As kube-proxy does: DNAT in the node's namespace, from the address of a service to that of a pod.
    The two ends never see the same addresses."""
    client, server = mesh.pair(8080)
    virtual = "10.96.0.10"
    mesh.node.place.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0", check=False)
    rules = (("-t", "nat", "-A", "PREROUTING", "-d", virtual, "-p", "tcp", "--dport", "80", "-j",
              "DNAT", "--to-destination", f"{server.pod.ip4}:8080"),
             # The return path must also pass the node: client and server share its bridge.
             ("-t", "nat", "-A", "POSTROUTING", "-d", server.pod.ip4, "-j", "MASQUERADE"))
    for rule in rules:
        mesh.node.place.run("iptables", *rule)
    try:
        before = mesh.interceptor.counters()
        answer = client.call(ask, virtual, 80)
        after = mesh.interceptor.counters()
    finally:
        mesh.node.place.run("iptables", "-t", "nat", "-F")

    assert answer["application"] == "server"
    assert answer["getpeername"] == (virtual, 80)
    assert client.relay.reports("outbound")[-1]["original_dst"] == f"{virtual}:80"
    assert server.relay.reports("inbound")[-1]["original_dst"] == f"{server.pod.ip4}:8080"
    assert after["connect_outbound"] == before["connect_outbound"] + 1


def test_two_interceptors_do_not_mind_each_other(make_mesh, inbound):
    """Another instance, with its own pins, cgroup and pods."""
    meshes = [make_mesh(inbound, acceleration="sidecar") for _ in range(2)]
    for mesh in meshes:
        client, server = mesh.pair(8080)
        assert client.call(ask, server.pod.ip4, 8080)["peer"] == "127.0.0.6"
    meshes[0].remove()
    meshes[0].interceptor.stop()
    meshes[0].interceptor.uninstall()
    client, server = meshes[1].pair(8081)
    assert client.call(ask, server.pod.ip4, 8081)["peer"] == "127.0.0.6"
