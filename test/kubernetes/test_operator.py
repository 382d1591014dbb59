"""What an operator asks from outside of the nodes: `fsm check`, `fsm interceptor`, `fsm support-bundle`."""

import json
import tarfile

import pytest

from cluster import PATIENCE
from conftest import CONTROL
from harness.wait import eventually
from product import DAEMONSET, NAMESPACE

SECRET = "of-the-operator-4711"


def checks(product, *words):
    """{(check, node): result}, and the exit status."""
    done = product.fsm("check", "--output", "json", *words, check=False)
    return {(each["check"], each["node"]): each["result"]
            for each in json.loads(done.stdout)["checks"]}, done


def test_check_after_the_installation(cluster, product, second_node):  # pylint: disable=unused-argument
    found, done = checks(product, "--wait", "--timeout", f"{PATIENCE}s")
    assert done.returncode == 0, done.stdout
    assert "error" not in found.values()
    for name in ("api-server", "kubernetes-version", "rights", "pod-security", "helm", "kernel", "daemonset",
                 "coverage", "version", "interceptor"):
        assert found[name, ""] == "ok", done.stdout


def test_check_finds_a_namespace_that_refuses(cluster, product):
    """The API server itself judges the pod that is tried."""
    label = "pod-security.kubernetes.io/enforce"
    cluster.kubectl("create", "namespace", "strict")
    try:
        assert checks(product, "--pre", "--fsm-namespace", "strict")[0]["pod-security", ""] == "ok"
        cluster.kubectl("label", "namespace", "strict", f"{label}=restricted")
        found, done = checks(product, "--pre", "--fsm-namespace", "strict")
        assert found["pod-security", ""] == "error" and done.returncode == 1
        assert found["mesh", ""] == "error", "there is a mesh already"
    finally:
        cluster.kubectl("delete", "namespace", "strict", "--wait=false")
    assert cluster.kubectl("get", "pods", "--namespace", "strict", check=False).stdout == ""


def test_check_by_a_user_without_rights(cluster, product, tmp_path):
    """What the user may not do is told; nothing is a crash."""
    token = cluster.kubectl("create", "token", "default").stdout.strip()
    config = json.loads(cluster.kubectl("config", "view", "--raw", "--output", "json").stdout)
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    done = product.fsm("check", "--output", "json", "--kubeconfig", path, check=False)
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert "forbidden" in json.dumps(document), document


def test_answers_of_the_nodes_are_merged(cluster, product, second_node, veterans):
    rows = product.fsm("interceptor", "pods").stdout.splitlines()
    assert rows[0].split()[:3] == ["NODE", "POD", "STATE"]
    for pod in veterans:
        assert any(row.split()[:3] == [CONTROL, f"default/{pod}", "in-mesh"] for row in rows), rows
    status = product.fsm("interceptor", "status").stdout.splitlines()
    assert {line.split()[0] for line in status} == {CONTROL, second_node}
    only = product.fsm("interceptor", "--node", second_node, "status").stdout.splitlines()
    assert {line.split()[0] for line in only} == {second_node}


def test_report_of_each_node(product, second_node):
    reports = [json.loads(line) for line in product.fsm("interceptor", "node-report").stdout.splitlines()]
    assert {report["node"] for report in reports} == {CONTROL, second_node}
    for report in reports:
        assert report["kernel"]["btf"] and report["bpffs"]["mounted"]
        assert any(program["name"].startswith("fsm_") for program in report["cgroupPrograms"]), report
        texts = [file.get("text", "") for file in report["cniConfigurations"]["files"]]
        assert any('"fsm-cni"' in text for text in texts)
        assert any(file["name"] == "fsm-cni" for file in report["cniPlugins"]["files"])


def test_support_bundle_of_a_real_cluster(cluster, product, second_node, tmp_path):
    cluster.kubectl("--namespace", NAMESPACE, "create", "secret", "generic", "operators",
                    f"--from-literal=password={SECRET}")
    file = tmp_path / "bundle.tar.gz"
    try:
        said = product.fsm("support-bundle", "--output", file).stdout
    finally:
        cluster.kubectl("--namespace", NAMESPACE, "delete", "secret", "operators")
    with tarfile.open(file) as archive:
        files = {member.name.removeprefix("bundle/"): archive.extractfile(member).read().decode()
                 for member in archive}
    missing = {each["what"] for each in json.loads(files["index.json"])["missing"]}
    assert all(what.endswith("log-previous.txt") for what in missing), said
    for node in (CONTROL, second_node):
        for name in ("status.json", "pods.json", "programs.json", "maps.json", "counters.json", "metrics.txt",
                     "node-report.json", "log.txt"):
            assert files[f"nodes/{node}/{name}"], name
    assert json.loads(files["mesh/values.json"])["fsm"]["image"]["tag"]
    assert json.loads(files["mesh/daemonset.json"])["metadata"]["name"] == DAEMONSET
    everything = "".join(files.values())
    assert SECRET not in everything
    kubeconfig = json.loads(cluster.kubectl("config", "view", "--raw", "--output", "json").stdout)
    for value in kubeconfig["users"][0]["user"].values():
        assert str(value) not in everything, "the user's credentials"
    assert "PRIVATE KEY" not in everything


def test_node_that_cannot_be_reached_does_not_hide_the_others(cluster, product, second_node):
    product.expect("kubelet")
    cluster.kill_daemon(second_node, "kubelet")
    try:
        done = eventually(lambda: _failing(product), timeout=PATIENCE)
        assert f"fsm: node {second_node}: " in done.stderr
        assert "1 of 2 nodes failed" in done.stderr
        assert {line.split()[0] for line in done.stdout.splitlines()} == {CONTROL}
        found, _ = checks(product)
        assert found["interceptor", second_node] == "error"
        assert found["interceptor", ""] == "ok", "of the other node"
    finally:
        cluster.power_on(second_node)
    eventually(lambda: product.fsm("interceptor", "status", check=False).returncode == 0, timeout=PATIENCE)


def _failing(product):
    done = product.fsm("interceptor", "status", check=False)
    return done if done.returncode == 1 else None


@pytest.mark.parametrize("words", [["run"], ["uninstall"]])
def test_daemon_is_not_started_twice_or_removed_by_hand(product, words):
    assert product.fsm("interceptor", *words, check=False).returncode == 1
