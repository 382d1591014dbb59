"""The end of a pod in every way, and the reuse of its address."""

import errno

import pytest

from harness.application import ask, connect_error
from harness.wait import eventually

# The interceptor looks for lost namespaces every 5 s.
RECONCILED = 15
POD_MAPS = ("fsm_pods", "fsm_pod_ips", "fsm_ports", "fsm_ranges", "fsm_observed", "fsm_listeners")


def expect_untouched(mesh, newcomer):
    """Traffic from and to a pod outside the mesh never reaches a sidecar."""
    other = mesh.outsider("other")
    other.serve(8081)
    newcomer.serve(8081)
    before = mesh.interceptor.counters()
    for family in ("ip4", "ip6"):
        theirs, own = getattr(other.pod, family), getattr(newcomer.pod, family)
        assert other.call(ask, own, 8081)["peer"] == theirs
        assert newcomer.call(ask, theirs, 8081)["peer"] == own
        assert other.call(connect_error, own, 9999) == errno.ECONNREFUSED
    after = mesh.interceptor.counters()
    for counter in ("connect_outbound", "inbound_steered", "inbound_rewritten",
                    "inbound_no_listener"):
        assert after[counter] == before[counter], counter


def meshed_pod(mesh):
    pod = mesh.member("pod")
    pod.start_sidecar()
    client = mesh.outsider("client")
    pod.serve(8080)
    assert client.call(ask, pod.pod.ip4, 8080)["peer"] == "127.0.0.6"
    return pod


def no_entries_of_pods(interceptor):
    """No pod has left anything. The lists of a pod are removed a few seconds after it."""
    entries = interceptor.map_entries()
    left = {name: entries[name] for name in POD_MAPS if entries[name]}
    assert not left
    return True


def test_deleted_pods_address_is_free_for_a_pod_outside_the_mesh(mesh):
    pod = meshed_pod(mesh)
    pod.stop_processes()
    pod.withdraw()
    eventually(lambda: no_entries_of_pods(mesh.interceptor), RECONCILED)
    pod.pod.delete()

    expect_untouched(mesh, mesh.outsider("newcomer", like=pod.pod))


def test_withdrawn_pod_that_still_runs_is_no_longer_intercepted(mesh):
    pod = meshed_pod(mesh)
    pod.withdraw()
    assert pod.pod.programs_on_interface() == []
    expect_untouched(mesh, pod)


def test_pod_stays_in_the_mesh_until_the_last_network_of_its_interface_goes(make_mesh, inbound):
    """Two networks attach eth0, as Multus over a chain does."""
    mesh = make_mesh(inbound)
    pod = meshed_pod(mesh)
    client = mesh.outsider("later")
    cni = mesh.interceptor.cni

    def expect_intercepted():
        assert client.call(ask, pod.pod.ip4, 8080)["peer"] == "127.0.0.6"
        assert client.call(ask, pod.pod.ip6, 8080)["peer"] == "::1"
        cni.check(pod.pod)

    cni.add(pod.pod, network="multus")
    expect_intercepted()
    cni.delete(pod.pod, network="never-attached")
    expect_intercepted()
    cni.delete(pod.pod)  # of the first network
    expect_intercepted()
    mesh.interceptor.kill()
    mesh.interceptor.start()
    expect_intercepted()
    cni.delete(pod.pod, network="multus")
    assert pod.state() is None
    assert pod.pod.programs_on_interface() == []
    expect_untouched(mesh, pod)


def test_del_is_repeatable_and_needs_no_netns(mesh):
    pod = meshed_pod(mesh)
    pod.withdraw()
    pod.withdraw()
    pod.stop_processes()
    pod.pod.delete()
    pod.withdraw()
    assert pod.state() is None


@pytest.mark.parametrize("newcomers_kind", ["outsider", "stranger"])
def test_address_of_a_pod_that_was_lost_without_del_is_free(mesh, newcomers_kind):
    pod = meshed_pod(mesh)
    pod.stop_processes()
    pod.pod.delete()
    if newcomers_kind == "stranger":
        # No event reports this one: the interceptor must detect that the old namespace is gone.
        eventually(lambda: pod.state() is None, RECONCILED)
        eventually(lambda: no_entries_of_pods(mesh.interceptor), RECONCILED)

    expect_untouched(mesh, getattr(mesh, newcomers_kind)("newcomer", like=pod.pod))


def test_del_while_the_interceptor_is_away_is_made_up_for(make_mesh, inbound):
    mesh = make_mesh(inbound)
    pod = meshed_pod(mesh)
    mesh.interceptor.kill()
    pod.withdraw()
    assert list((mesh.interceptor.state / "deleted").iterdir())
    pod.stop_processes()
    pod.pod.delete()

    mesh.interceptor.start()

    eventually(lambda: pod.state() is None)
    eventually(lambda: not list((mesh.interceptor.state / "deleted").iterdir()))
    eventually(lambda: no_entries_of_pods(mesh.interceptor), RECONCILED)
    expect_untouched(mesh, mesh.stranger("newcomer", like=pod.pod))


def test_pod_lost_while_the_interceptor_was_away_is_forgotten(make_mesh, inbound):
    mesh = make_mesh(inbound)
    pod = meshed_pod(mesh)
    mesh.interceptor.kill()
    pod.stop_processes()
    pod.pod.delete()

    mesh.interceptor.start()

    eventually(lambda: pod.state() is None, RECONCILED)
    eventually(lambda: no_entries_of_pods(mesh.interceptor), RECONCILED)
    expect_untouched(mesh, mesh.stranger("newcomer", like=pod.pod))


def test_address_of_a_living_pod_that_the_node_gave_away_leads_to_the_new_one(mesh):
    """A runtime may assign an address while its earlier owner still exists without it."""
    pod = meshed_pod(mesh)
    pod.pod.root.run("ip", "addr", "flush", "dev", "eth0")
    pod.pod.leave_node()

    expect_untouched(mesh, mesh.outsider("newcomer", like=pod.pod))


def test_uninstall_leaves_nothing(make_mesh, inbound):
    mesh = make_mesh(inbound)
    pod = meshed_pod(mesh)
    mesh.interceptor.stop()

    mesh.interceptor.uninstall()

    interceptor = mesh.interceptor
    assert not [path for path in interceptor.bpffs.rglob("*")]
    assert not interceptor.socket.exists()
    assert not interceptor.state.exists() or not [path for path in interceptor.state.rglob("*")]
    assert pod.pod.programs_on_interface() == []
    attached = mesh.node.place.run("bpftool", "cgroup", "show", mesh.node.pod_cgroup).stdout
    assert "fsm_" not in attached
    client = mesh.stranger("stranger")
    assert client.call(ask, pod.pod.ip4, 8080)["peer"] == client.pod.ip4
