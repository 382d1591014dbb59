"""fsm check: programs beside us."""

import pytest

from checked import OURS, check, complaints, only, other, report, with_cilium
from conftest import daemonset


@pytest.mark.parametrize("name,profile,result", [
    ("istio-cni-node", "istio", "error"), ("istio-cni-node", "kuma", "warning"),
    ("linkerd-cni", "linkerd", "error"), ("kuma-cni-node", "kuma", "error"), ("merbridge", "fsm", "error"),
    ("kmesh", "fsm", "error")])
def test_other_programs_that_redirect(cluster, name, profile, result):
    cluster.kubectl.answers("get", "daemonsets.apps", "--all-namespaces", "--output",
                            output={"items": [other(name)]})
    cluster.kubectl.answers("get", "daemonsets.apps", "--selector", output={"items": []})
    assert only(check(cluster, "--profile", profile), "other-interception")[0] == result


def test_istio_cni_of_ambient_mode(cluster):
    cluster.kubectl.answers("get", "daemonsets.apps", "--all-namespaces", "--output", output={"items": [
        other("istio-cni-node"), other("ztunnel")]})
    cluster.kubectl.answers("get", "daemonsets.apps", "--selector", output={"items": []})
    assert only(check(cluster, "--profile", "istio"), "other-interception")[0] == "warning"


@pytest.mark.parametrize("config", [
    {"kube_proxy_replacement": "true"}, {"kube_proxy_replacement": "strict"}, {"bpf_lb_sock": "true"},
    {"kube_proxy_replacement": "true", "bpf_lb_sock_hostns_only": "false"}])
def test_cilium_that_balances_in_pods(cluster, config):
    with_cilium(cluster, **config)
    result, _, remedy = only(check(cluster), "socket-load-balancer")
    assert result == "error" and "socketLB.hostNamespaceOnly=true" in remedy


@pytest.mark.parametrize("config", [
    {"kube_proxy_replacement": "false", "bpf_lb_sock": "false"},
    {"kube_proxy_replacement": "true", "bpf_lb_sock_hostns_only": "true", "cni_exclusive": "false"}])
def test_cilium_that_leaves_pods_alone(cluster, config):
    with_cilium(cluster, **config)
    found = check(cluster)
    assert complaints(found) == {}
    assert found["socket-load-balancer", ""][0] == "ok"


def test_cilium_that_owns_the_chain(cluster):
    with_cilium(cluster, cni_exclusive="true")
    assert "cni.exclusive=false" in only(check(cluster), "chain-owner")[2]


def test_cilium_whose_configuration_cannot_be_read(cluster):
    with_cilium(cluster)
    cluster.kubectl.answers("get", "configmap", errors="forbidden\n", status=1)
    result, message, _ = only(check(cluster), "socket-load-balancer")
    assert result == "warning" and "forbidden" in message


@pytest.mark.parametrize("spec,result", [
    ({"bpfEnabled": True}, "error"), ({"bpfEnabled": True, "bpfConnectTimeLoadBalancing": "TCP"}, "error"),
    ({"bpfEnabled": True, "bpfConnectTimeLoadBalancing": "Disabled"}, "ok"), ({"bpfEnabled": False}, None),
    ({"bpfEnabled": "yes"}, None), ({}, None)])
def test_calico(cluster, spec, result):
    cluster.kubectl.answers("get", "daemonsets.apps", "--all-namespaces", "--output",
                            output={"items": [other("calico-node", "calico-system")]})
    cluster.kubectl.answers("get", "daemonsets.apps", "--selector", output={"items": []})
    cluster.kubectl.answers("get", "felixconfigurations.crd.projectcalico.org", output={"spec": spec})
    found = check(cluster)
    assert found.get(("socket-load-balancer", ""), (None,))[0] == result


def test_programs_of_cilium_that_leave_pods_alone_may_come_first(installed):
    with_cilium(installed, bpf_lb_sock="true", bpf_lb_sock_hostns_only="true")
    installed.kubectl.answers("get", "daemonsets.apps", "--selector", output={"items": [daemonset()]})
    installed.kubectl.answers("exec", "node-report", output=report(cgroupPrograms=[
        {"hook": "connect4", "name": "cil_sock4_connect"}, *OURS]))
    assert complaints(check(installed)) == {}
