"""Pods that already run when the interceptor starts: found by their cgroup, as created by a kubelet, and
enrolled without a restart."""

import pathlib
import uuid

import pytest

from harness.application import ask, connect_error, handshakes_held
from harness.load import expect_flawless, start_load
from harness.place import Place
from harness.wait import eventually

# The interceptor looks every 5 s, and up to 16 s apart for a pod that it did not find before.
FOUND = 25


class KubeletCgroups:
    """Moves pods into cgroups like those of kubelets and runtimes."""

    def __init__(self, node):
        self._node = node

    def place(self, pod, driver):
        """From now on, processes of the pod start there. Returns the pod's uid."""
        uid = str(uuid.uuid4())
        container = uuid.uuid4().hex * 2
        if driver == "systemd":
            path = (f"kubepods.slice/kubepods-burstable.slice/"
                    f"kubepods-burstable-pod{uid.replace('-', '_')}.slice/"
                    f"cri-containerd-{container}.scope")
        else:
            path = f"kubepods/burstable/pod{uid}/{container}"
        directory = pathlib.Path(self._node.pod_cgroup) / path
        directory.mkdir(parents=True)
        pod.root = Place(pod.netns.path, directory)
        pod.application = pod.root.as_user(1000)
        return uid, container


@pytest.fixture(params=["cgroupfs", "systemd"])
def driver(request):
    return request.param


@pytest.fixture
def mesh(make_mesh, inbound):
    return make_mesh(inbound)


def running_member(mesh, name, driver, host_network=False):
    """A pod with sidecar and application, and a manifest, but without a CNI ADD."""
    member = mesh.member(name, enrol=False)
    member.uid_of_pod, member.sandbox = KubeletCgroups(mesh.node).place(member.pod, driver)
    member.start_sidecar()
    member.serve(8080)
    mesh.interceptor.write_manifest(member.pod, annotations=member.annotations,
                                    containers=member.containers, uid=member.uid,
                                    pod_uid=member.uid_of_pod, host_network=host_network)
    return member


def attachments(mesh):
    return {state["uid"]: state for state in mesh.interceptor.pods()}


def goes_through_the_sidecar(client, server):
    for family in ("v4", "v6"):
        if client.call(ask, server.pod.address(family), 8080)["peer"] not in ("127.0.0.6", "::1"):
            return False
    return True


def test_pods_that_ran_before_the_interceptor_are_enrolled_at_its_start(mesh, driver):
    mesh.interceptor.stop()
    client, server = (running_member(mesh, name, driver) for name in ("client", "server"))
    assert client.call(ask, server.pod.ip4, 8080)["peer"] == client.pod.ip4

    mesh.interceptor.start()

    assert goes_through_the_sidecar(client, server)
    assert len(server.relay.reports("inbound")) == len(client.relay.reports("outbound")) == 2
    found = attachments(mesh)[server.uid_of_pod]
    assert found["foundRunning"]
    assert found["containerID"] == server.sandbox
    assert found["netns"].endswith(server.pod.netns.name), "a path that outlives the process"


def test_pod_that_starts_without_an_add_is_enrolled(mesh, driver):
    server = running_member(mesh, "server", driver)
    client = mesh.outsider("client")
    eventually(lambda: goes_through_the_sidecar(client, server), FOUND)


def test_running_pod_that_joins_the_mesh_is_enrolled(mesh, driver):
    mesh.defaults["flomesh.io/sidecar-injection"] = "disabled"
    server = running_member(mesh, "server", driver)
    client = mesh.outsider("client")
    assert client.call(ask, server.pod.ip4, 8080)["peer"] == client.pod.ip4
    del server.annotations["flomesh.io/sidecar-injection"]
    mesh.interceptor.write_manifest(server.pod, annotations=server.annotations,
                                    containers=server.containers, uid=server.uid,
                                    pod_uid=server.uid_of_pod)
    eventually(lambda: goes_through_the_sidecar(client, server), FOUND)


@pytest.mark.parametrize("how", ["key", "netns", "nothing"])
def test_everything_is_gone_after_its_end(mesh, driver, how):
    mesh.interceptor.stop()
    server = running_member(mesh, "server", driver)
    mesh.interceptor.start()
    assert server.uid_of_pod in attachments(mesh)
    cni = mesh.interceptor.cni
    if how == "key":
        server.stop_processes()
        server.pod.delete()
        cni.delete(server.pod, container_id=server.sandbox)
        assert mesh.interceptor.pods() == []
    elif how == "netns":
        mesh.interceptor.remove_manifest(server.pod)
        cni.delete(server.pod)  # by an id that cannot be derived
        assert mesh.interceptor.pods() == []
        assert server.pod.programs_on_interface() == []
    else:
        mesh.interceptor.remove_manifest(server.pod)
        server.stop_processes()
        server.pod.delete()
    eventually(lambda: mesh.interceptor.pods() == [], FOUND)
    entries = ("fsm_pods", "fsm_pod_ips", "fsm_ports", "fsm_ranges", "fsm_listeners")
    eventually(lambda: not any(mesh.interceptor.map_entries()[name] for name in entries), FOUND)


def test_pod_of_the_nodes_own_network_is_not_touched(mesh, driver):
    mesh.interceptor.stop()
    # Its processes run in the node's namespace, and one manifest conceals that.
    agents = []
    for name, lies in (("agent", False), ("liar", True)):
        member = mesh.member(name, enrol=False)
        member.uid_of_pod, _ = KubeletCgroups(mesh.node).place(member.pod, driver)
        directory = member.pod.root.cgroup
        agents.append(Place(mesh.node.netns.path, directory).start("sleep", "60"))
        mesh.interceptor.write_manifest(member.pod, annotations={}, containers=member.containers,
                                        uid=member.uid, pod_uid=member.uid_of_pod,
                                        host_network=not lies)
    try:
        mesh.interceptor.start()
        assert attachments(mesh) == {}
        assert mesh.interceptor.map_entries()["fsm_pods"] == 0
        for port in (15001, 9999):
            assert mesh.node.place.call(connect_error, mesh.node.GATEWAY4, port) != 0
        assert mesh.interceptor.counters()["connect_outbound"] == 0
    finally:
        for agent in agents:
            agent.kill()
            agent.wait(10)


def test_enrolment_of_a_running_pod_fails_no_request(mesh, driver):
    mesh.interceptor.stop()
    client, server = (running_member(mesh, name, driver) for name in ("client", "server"))
    load = start_load(client, server, requests_per_connection=5, at_least=500)
    mesh.interceptor.start()
    expect_flawless(load)
    assert goes_through_the_sidecar(client, server)


def syns_sent_again(client):
    counters = client.pod.root.run("nstat", "-asz", "TcpExtTCPSynRetrans").stdout
    return int(counters.split()[-2])


def test_handshake_that_began_before_the_enrolment_comes_to_its_end(mesh, driver):
    client = mesh.outsider("client")
    mesh.interceptor.stop()
    server = running_member(mesh, "server", driver)

    with handshakes_held(client.pod, "eth0"):
        task = client.keep(client.pod.application.spawn(ask, server.pod.ip4, 8080, None, 20))
        eventually(lambda: server.pod.root.run("ss", "-Htn", "state", "syn-recv").stdout)
        mesh.interceptor.start()
        sent_again = syns_sent_again(client)
        eventually(lambda: syns_sent_again(client) > sent_again)

    assert task.result()["peer"] == client.pod.ip4, "the connection is that of the first SYN"
    assert goes_through_the_sidecar(client, server)
