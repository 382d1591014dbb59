"""fsm check: one line for each check, before and after an installation."""

import json

import pytest

from checked import CHAIN, OURS, STATUS, check, complaints, node, only, report
from conftest import daemonset, interceptor_pod


def test_nothing_to_complain_before(cluster):
    assert complaints(check(cluster)) == {}
    text = cluster.fsm("check").stdout
    assert "  ok       kernel              Linux 6.1.0-13-amd64 (2 nodes): new enough for mode ebpf\n" in text
    assert text.endswith("0 errors, 0 warnings, 11 ok\n"), text


def test_nothing_to_complain_after(installed):
    found = check(installed)
    assert complaints(found) == {}
    assert found["interceptor", ""][1] == "2 interceptors answer, mode ebpf, profile fsm"
    assert found["coverage", ""][0] == "ok"


def test_api_server_that_does_not_answer(cluster):
    cluster.kubectl.answers("version", errors="connection refused\n", status=1)
    result, message, remedy = only(check(cluster), "api-server")
    assert result == "error" and "connection refused" in message and "--kubeconfig" in remedy


def test_text_has_the_remedy_below_the_finding(cluster):
    cluster.kubectl.answers("get", "nodes", output={"items": [node("old", "4.19.0")]})
    done = cluster.fsm("check")
    lines = done.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if "4.19.0" in line)
    assert lines[at].split()[:4] == ["error", "kernel", "node", "old:"]
    assert lines[at + 1].strip().startswith("→ install with --set trafficInterceptionMode=iptables")
    assert done.returncode == 1
    assert done.stderr == "fsm: the check found 1 error\n"


# --- versions, rights, admission ------------------------------------------------------------------

def test_kubernetes_that_is_too_old(cluster):
    cluster.kubectl.answers("version", output={"serverVersion": {"gitVersion": "v1.23.9+k3s1"},
                                               "clientVersion": {"gitVersion": "v1.24.0"}})
    assert only(check(cluster), "kubernetes-version")[0] == "error"


def test_kubectl_of_another_time(cluster):
    cluster.kubectl.answers("version", output={"serverVersion": {"gitVersion": "v1.34.4"},
                                               "clientVersion": {"gitVersion": "v1.30.0"}})
    assert only(check(cluster), "kubectl-version")[0] == "warning"


def test_no_helm(cluster):
    cluster.helm.path.unlink()
    assert only(check(cluster), "helm")[0] == "error"


def test_right_that_is_missing(cluster):
    cluster.kubectl.answers("auth", "can-i", "clusterroles.rbac.authorization.k8s.io", output="no\n", status=1)
    result, message, _ = only(check(cluster), "rights")
    assert result == "error"
    assert message == "you may not create clusterroles.rbac.authorization.k8s.io"


def test_rights_after_the_installation_are_others(installed):
    installed.kubectl.answers("auth", "can-i", "--subresource=exec", output="no - denied\n", status=1)
    result, message, _ = only(check(installed), "rights")
    assert (result, message) == ("warning", "you may not create pods/exec")


@pytest.mark.parametrize("answer,words", [({"errors": "timeout\n", "status": 1}, "timeout"),
                                          ({"output": "maybe\n"}, "unexpected answer")])
def test_right_that_is_not_known(cluster, answer, words):
    cluster.kubectl.answers("auth", "can-i", "secrets", **answer)
    assert words in only(check(cluster), "rights")[1]


def test_mesh_that_is_there_already(installed):
    result, message, _ = check(installed, "--pre")["mesh", ""]
    assert result == "error" and "fsm in fsm-system" in message


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_namespace_that_enforces_pod_security(cluster, level):
    cluster.kubectl.answers("get", "namespace", output={"metadata": {"labels": {
        "pod-security.kubernetes.io/enforce": level}}})
    result, _, remedy = only(check(cluster), "pod-security")
    assert result == "error"
    assert remedy == ("kubectl label --overwrite namespace fsm-system "
                      "pod-security.kubernetes.io/enforce=privileged")


def test_policy_that_refuses_the_interceptors_pod(cluster):
    cluster.kubectl.answers("get", "namespace", output={"metadata": {}})
    cluster.kubectl.answers("create", "--dry-run=server", errors="admission webhook denied: no hostPath\n",
                            status=1)
    result, message, _ = only(check(cluster), "pod-security")
    assert result == "error" and "no hostPath" in message


def test_user_who_may_not_try_a_pod(cluster):
    cluster.kubectl.answers("get", "namespace", output={"metadata": {}})
    cluster.kubectl.answers("create", "--dry-run=server", status=1, errors=(
        'pods is forbidden: User "x" cannot create resource "pods" in API group ""\n'))
    assert only(check(cluster), "pod-security")[0] == "warning"


# --- nodes ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("kernel,mode,result", [
    ("5.15.0-generic", "ebpf", None), ("5.14.21", "ebpf", "error"), ("4.18.0-553.el8", "ebpf", "error"),
    ("5.14.0-427.el9.x86_64", "ebpf", "warning"), ("strange", "ebpf", "warning"),
    ("4.4.0", "iptables", None), ("4.4.0", "none", None)])
def test_kernels(cluster, kernel, mode, result):
    cluster.kubectl.answers("get", "nodes", output={"items": [node("a"), node("b", kernel)]})
    found = check(cluster, "--traffic-interception-mode", mode)
    if result is None:
        assert complaints(found) == {}
    else:
        assert only(found, "kernel", "b")[0] == result
        assert "iptables" in found["kernel", "b"][2] or kernel == "strange"


@pytest.mark.parametrize("made,name,result", [
    ({"system": "windows"}, "architecture", "warning"),
    ({"architecture": "s390x"}, "architecture", "error"),
    ({"ready": "Unknown"}, "node-ready", "warning")])
def test_nodes_that_are_special(cluster, made, name, result):
    cluster.kubectl.answers("get", "nodes", output={"items": [node("a"), node("b", **made)]})
    assert only(check(cluster), name, "b")[0] == result


def test_cluster_without_nodes(cluster):
    cluster.kubectl.answers("get", "nodes", output={"items": []})
    assert check(cluster)["node-ready", ""][0] == "error"


@pytest.mark.parametrize("made,platform", [
    ({"kubelet": "v1.34.4+k3s1"}, "k3s"), ({"kubelet": "v1.34.4-gke.100"}, "gke"),
    ({"labels": {"microk8s.io/cluster": "true"}}, "microk8s"),
    ({"labels": {"node.openshift.io/os_id": "rhcos"}}, "openshift")])
def test_platforms_with_other_cni_directories(cluster, made, platform):
    cluster.kubectl.answers("get", "nodes", output={"items": [node("a", **made)]})
    assert only(check(cluster), "cni-directories")[2] == f"install with --set fsm.cni.platform={platform}"


def test_several_platforms(cluster):
    cluster.kubectl.answers("get", "nodes", output={"items": [node("a"), node("b", kubelet="v1.34.4+k3s1")]})
    assert "several platforms: default, k3s" in only(check(cluster), "cni-directories")[1]


# --- interceptors ---------------------------------------------------------------------------------

def test_interceptors_that_are_not_ready(installed):
    installed.kubectl.answers("get", "daemonsets.apps", "--all-namespaces",
                              output={"items": [daemonset(ready=1)]})
    installed.kubectl.answers("get", "events", output={"items": [
        {"message": "violates PodSecurity"}]})
    result, message, _ = only(check(installed), "daemonset")
    assert result == "error"
    assert message == "1 of 2 nodes have a ready interceptor: violates PodSecurity"


def test_daemonset_that_selects_no_node(installed):
    installed.kubectl.answers("get", "daemonsets.apps", "--all-namespaces",
                              output={"items": [daemonset(nodes=0, ready=0)]})
    installed.kubectl.answers("get", "pods", output={"items": []})
    found = complaints(check(installed))
    assert found["daemonset", ""][0] == "error" and found["interceptor", ""][0] == "error"


def test_node_without_an_interceptor(installed):
    installed.kubectl.answers("get", "nodes", output={"items": [node("a"), node("b"), node("c")]})
    assert only(check(installed), "coverage", "c")[0] == "warning"


def test_interceptor_that_does_not_answer_does_not_hide_the_others(installed):
    installed.kubectl.answers("exec", "fsm-interceptor-a", errors="container not found\n", status=1)
    found = check(installed)
    assert "container not found" in only(found, "interceptor", "a")[1]
    assert found["interceptor", ""][1].startswith("1 interceptor answers")


def test_interceptor_that_crashes(installed):
    installed.kubectl.answers("get", "pods", output={"items": [
        interceptor_pod("a"), interceptor_pod("b", running=False)]})
    installed.kubectl.answers("auth", "can-i", output="yes\n")
    assert "CrashLoopBackOff: it ended" in only(check(installed), "interceptor", "b")[1]


def test_versions_that_differ(installed):
    installed.kubectl.answers("exec", "fsm-interceptor-b", "/v1/status", output={**STATUS, "version": "0.0.9"})
    result, message, _ = only(check(installed), "version")
    assert result == "warning" and "0.0.9, 0.1.0" in message


def test_problems_of_nodes_and_pods(installed):
    condition = {"component": "installer", "kind": "lasting", "since": "2026-01-01T00:00:00Z",
                 "problem": "no directory"}
    installed.kubectl.answers("exec", "fsm-interceptor-b", "/v1/status", output={
        **STATUS, "conditions": [condition],
        "attachments": {"problems": [{"pod": f"shop/{number}", "problem": "no sidecar"}
                                     for number in range(7)]}})
    found = check(installed)
    assert found["problem", "b"][:2] == ("error", "installer, since 2026-01-01T00:00:00Z: no directory")
    lines = [each for each in json.loads(installed.fsm("check", "-o", "json").stdout)["checks"]
             if each["check"] == "pod"]
    assert len(lines) == 6 and lines[-1]["message"] == "2 more problems of pods"


@pytest.mark.parametrize("changes,name,result", [
    ({"kernel": {"btf": False}}, "btf", "error"),
    ({"cgroup2": {"path": ""}}, "cgroup2", "error"),
    ({"bpffs": {"mounted": False, "path": "/sys/fs/bpf"}}, "bpffs", "error"),
    ({"appArmor": {"enabled": True, "profile": "cri-containerd.apparmor.d (enforce)"}}, "apparmor", "error"),
    ({"appArmor": {"enabled": True, "profile": "unconfined"}}, None, None),
    ({"chain": '{"plugins": [{"type": "bridge"}]}'}, "chain", "error"),
    ({"chain": CHAIN.replace("bridge", "istio-cni")}, "chain", "error"),
    ({"cniConfigurations": {}}, None, None),
    ({"cgroupPrograms": [{"hook": "connect4", "name": "cil_sock4_connect"}, *OURS]}, "hooks", "warning"),
    ({"cgroupPrograms": [*OURS, {"hook": "connect4", "name": "cil_sock4_connect"}]}, None, None),
    ({"cgroupPrograms": [{"hook": "sock_ops", "name": "other"}, *OURS]}, None, None),
    ({"unavailable": [{"what": "cgroupPrograms", "why": "EPERM"}]}, "node-report", "warning"),
    ({"unavailable": [{"what": "securityModules", "why": "no file"}]}, None, None)])
def test_what_nodes_report(installed, changes, name, result):
    installed.kubectl.answers("exec", "fsm-interceptor-b", "node-report", output=report(**changes))
    found = check(installed)
    if name is None:
        assert complaints(found) == {}
    else:
        assert only(found, name, "b")[0] == result


def test_mode_iptables_needs_no_bpf(installed):
    iptables = daemonset()
    iptables["metadata"]["annotations"]["fsm.flomesh.io/traffic-interception-mode"] = "iptables"
    installed.kubectl.answers("get", "daemonsets.apps", "--all-namespaces", output={"items": [iptables]})
    installed.kubectl.answers("exec", "node-report", output=report(
        kernel={"btf": False}, cgroup2={"path": ""}, bpffs={"mounted": False}, cgroupPrograms=[]))
    assert complaints(check(installed)) == {}


def test_waits_until_there_is_no_error(installed):
    installed.kubectl.answers("exec", "fsm-interceptor-a", errors="not yet\n", status=1, times=1)
    assert complaints(check(installed, "--wait", "--timeout", "30s")) == {}
    installed.kubectl.answers("exec", "fsm-interceptor-a", errors="never\n", status=1)
    done = installed.fsm("check", "--wait", "--timeout", "3s")
    assert done.returncode == 1
    assert "the check found 1 error after the time of --wait" in done.stderr


@pytest.mark.parametrize("words", [["-o", "yaml"], ["--traffic-interception-mode", "magic"],
                                   ["--timeout", "5"], ["extra"]])
def test_wrong_command_lines_are_refused(cluster, words):
    assert cluster.fsm("check", *words).returncode not in (0, 1)
