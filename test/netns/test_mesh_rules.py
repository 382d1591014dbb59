"""The effect of a mesh's rules on a pod, beyond its lists: its addresses, its requests, which container
is its sidecar, and the limits for one pod."""

import errno

import pytest

from harness.application import ask, connect_error
from harness.cni import CniFailure
from harness.mesh import POD_OF
from harness.observed import is_intercepted_inbound, is_intercepted_outbound
from harness.wait import eventually

DUAL_STACK = {"ISTIO_DUAL_STACK": "true"}


def istio_pod(mesh, name, environment=None, ip4=True, annotations=None):
    pod = mesh.member(name, **{**POD_OF["istio"], "more_annotations": {
        **POD_OF["istio"]["more_annotations"], **(annotations or {})}},
                      environment=environment, enrol=False)
    if not ip4:
        pod.pod.root.run("ip", "address", "delete", f"{pod.pod.ip4}/16", "dev", "eth0")
    return pod


def start(pod, *ports):
    pod.enrol()
    pod.start_sidecar(inbound=15006)
    if ports:
        pod.serve(*ports)
    return pod


def starts(pod):
    try:
        pod.enrol()
    except CniFailure:
        return False
    return True


# ---- IPv6 as in Istio's rules ----


@pytest.mark.parametrize("inbound", ["sk_lookup", "tc", "iptables"], indirect=True)
def test_ipv6_only_pod_of_istio_is_intercepted(make_mesh, inbound):
    mesh = make_mesh(inbound, profile="istio")
    outsider = mesh.outsider("outsider")
    outsider.serve(8080)
    pod = start(istio_pod(mesh, "pod", ip4=False), 8080)

    assert is_intercepted_outbound(pod, outsider.pod.ip6, 8080)
    assert is_intercepted_inbound(pod, outsider, pod.pod.ip6, 8080)
    assert pod.state()["notes"] == []


@pytest.mark.parametrize("inbound", ["sk_lookup", "tc", "iptables"], indirect=True)
@pytest.mark.parametrize("environment", [None, DUAL_STACK], ids=["single stack", "dual stack"])
def test_ipv6_of_a_dual_stack_pod_of_istio_by_its_variable(make_mesh, inbound, environment):
    mesh = make_mesh(inbound, profile="istio")
    outsider = mesh.outsider("outsider")
    outsider.serve(8080)
    pod = start(istio_pod(mesh, "pod", environment), 8080)

    assert is_intercepted_outbound(pod, outsider.pod.ip4, 8080)
    assert is_intercepted_inbound(pod, outsider, pod.pod.ip4, 8080)
    dual = environment is not None
    assert is_intercepted_outbound(pod, outsider.pod.ip6, 8080) == dual
    assert is_intercepted_inbound(pod, outsider, pod.pod.ip6, 8080) == dual
    # It is reported if traffic passes although the pod is in the mesh.
    assert ["ISTIO_DUAL_STACK" in note for note in pod.state()["notes"]] == [True] * (not dual)


# ---- unsupported requests ----


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
def test_what_is_not_done_is_said_at_the_pod(make_mesh, inbound):
    mesh = make_mesh(inbound, profile="istio")
    pod = start(istio_pod(mesh, "pod", {"ISTIO_META_DNS_CAPTURE": "true"}))
    assert pod.state()["state"] == "in-mesh"
    assert "DNS queries are not redirected to the sidecar" in pod.state()["problems"][0]


@pytest.mark.also_iptables
def test_pod_that_cannot_be_intercepted_rightly_does_not_start(make_mesh, inbound):
    mesh = make_mesh(inbound, profile="istio")
    outsider = mesh.outsider("outsider")
    outsider.serve(8080)
    pod = istio_pod(mesh, "pod", annotations={"sidecar.istio.io/interceptionMode": "TPROXY"})
    with pytest.raises(CniFailure, match="interceptionMode to REDIRECT"):
        pod.enrol()
    assert "default/pod" not in [each["pod"] for each in mesh.interceptor.pods()]

    pod.describe(**{"sidecar.istio.io/interceptionMode": "REDIRECT"})
    # As a runtime does. Each try writes the manifest, and one that was just written is read later.
    eventually(lambda: starts(pod), 30, pause=1)
    pod.start_sidecar(inbound=15006)
    assert is_intercepted_outbound(pod, outsider.pod.ip4, 8080)


# ---- which pods ----


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
def test_container_that_is_only_called_like_the_sidecar(mesh):
    """kube-dns: its containers are kubedns, dnsmasq and sidecar."""
    dns = mesh.member("dns", annotations={}, containers=("kubedns", "dnsmasq", "sidecar"), uid=1001)
    assert dns.state()["state"] == "not-in-mesh"
    dns.serve(1053)
    outsider = mesh.outsider("outsider")
    outsider.serve(8080)
    assert outsider.call(ask, dns.pod.ip4, 1053)["peer"] == outsider.pod.ip4
    assert dns.call(ask, outsider.pod.ip4, 8080)["peer"] == dns.pod.ip4


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
def test_excluded_namespace_is_excluded_without_the_plugins_help(make_mesh, inbound):
    mesh = make_mesh(inbound, cni={"excludeNamespaces": ["default"]})
    pod = mesh.member("pod")  # the plugin's configuration has no exclusions here
    assert pod.state()["state"] == "not-in-mesh"
    assert "excludeNamespaces" in pod.state()["reason"]


@pytest.mark.also_iptables
def test_init_container_before_the_sidecar_is_refused_unless_it_has_its_uid(mesh):
    outsider = mesh.outsider("outsider")
    outsider.serve(8080)
    pod = mesh.member("pod")
    assert pod.call(connect_error, outsider.pod.ip4, 8080) == errno.ECONNREFUSED
    assert pod.call_as_sidecar(ask, outsider.pod.ip4, 8080)["peer"] == pod.pod.ip4
    pod.start_sidecar()
    assert is_intercepted_outbound(pod, outsider.pod.ip4, 8080)


# ---- limits ----


def odd_ports(count):
    return ",".join(str(2 * number + 1) for number in range(count))


@pytest.mark.also_iptables
def test_one_pod_takes_no_more_than_its_share_of_the_lists(make_mesh, inbound):
    mesh = make_mesh(inbound, profile="custom", maxPolicyEntries=8300)
    outsider = mesh.outsider("outsider")
    outsider.serve(8190, 8191, 8193)

    def member(name, ports):
        pod = mesh.member(name, enrol=False,
                          more_annotations={"example.org/exclude-outbound-ports": ports})
        pod.describe()
        return pod

    greedy = member("greedy", odd_ports(4096))
    greedy.enrol()
    greedy.start_sidecar()
    # In the kernel, the last entry of the list counts, and the following ones do not.
    assert [is_intercepted_outbound(greedy, outsider.pod.ip4, port)
            for port in (8190, 8191, 8193)] == [True, False, True]
    greedier = member("greedier", odd_ports(4097))
    with pytest.raises(CniFailure, match="exclude-outbound-ports alone needs 4097"):
        greedier.enrol()

    for name in ("modest", "humble"):
        pod = member(name, "8191")
        pod.enrol()
        pod.start_sidecar()
        assert [is_intercepted_outbound(pod, outsider.pod.ip4, port)
                for port in (8190, 8191)] == [True, False]
