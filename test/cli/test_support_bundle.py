"""fsm support-bundle: what is in it, what is not, and that no secret is."""

import io
import json
import tarfile

import pytest

from conftest import daemonset, interceptor_pod

PASSWORD, TOKEN = "hunter2-of-the-user", "tok-4711-of-the-user"
WEB_TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl"
RANDOM = "q7Zk2LmPz9XyW4bTr8Vn0Dce"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nTUlJRXBBSUJBQUtDQVFFQQ==\n-----END RSA PRIVATE KEY-----\n"
IN_THE_KEY = "TUlJRXBBSUJBQUtDQVFFQQ"
SECRETS = (PASSWORD, TOKEN, WEB_TOKEN, RANDOM, IN_THE_KEY)

# In every form in which a component writes them.
LOG = f"""2026-01-01T00:00:00Z info started
connect to https://admin:{PASSWORD}@registry.example/v2/: 401
Authorization: Bearer {TOKEN}
GET /api with header bearer {TOKEN}
password={PASSWORD} user=me
{{"token": "{TOKEN}", "escaped": "{{\\"apiKey\\": \\"{PASSWORD}\\"}}"}}
saw {WEB_TOKEN} there
--client-secret {PASSWORD} --client-secret={PASSWORD}
{KEY}end of the log
"""


def container_with_secrets():
    return {"name": "x", "args": ["--password", PASSWORD, "--level", "info", f"--token={TOKEN}"],
            "env": [{"name": "DB_PASSWORD", "value": PASSWORD}, {"name": "PLAIN", "value": RANDOM},
                    {"name": "NODE_NAME", "value": "kept-value"},
                    {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "kept-secret-ref", "key": "k"}}}]}


@pytest.fixture
def cluster(meshed):
    meshed.kubectl.answers("version", output={"serverVersion": {"gitVersion": "v1.34.4"},
                                              "clientVersion": {"gitVersion": "v1.34.4"}})
    meshed.kubectl.answers("auth", "can-i", output="yes\n")
    meshed.kubectl.answers("get", output={"items": []})
    meshed.kubectl.answers("get", "nodes", output={"items": [
        {"metadata": {"name": "node-a", "managedFields": [{"manager": "x"}]}},
        {"metadata": {"name": "node-b"}}]})
    meshed.kubectl.answers("get", "daemonsets.apps", "--all-namespaces", output={"items": [daemonset()]})
    meshed.kubectl.answers("get", "daemonsets.apps", "fsm-interceptor", output={
        **daemonset(), "spec": {"template": {"spec": {"containers": [container_with_secrets()]}}}})
    meshed.kubectl.answers("get", "configmap", output={"data": {
        "interceptor.yaml": f"profile: fsm\npassword: {PASSWORD}\nlogLevel: info\n"}})
    meshed.kubectl.answers("get", "namespace", output={"metadata": {"name": "fsm-system", "annotations": {
        "kubectl.kubernetes.io/last-applied-configuration": json.dumps({"x": TOKEN})}}})
    meshed.kubectl.answers("get", "pods", output={"items": [interceptor_pod("node-a"),
                                                            interceptor_pod("node-b")]})
    meshed.kubectl.answers("exec", output="{}")
    meshed.kubectl.answers("exec", "/v1/pods", output={"pods": [
        {"pod": "shop/checkout-1", "reason": "pod shop/checkout-1 has no sidecar"},
        {"pod": "kube-system/dns-7"}]})
    meshed.kubectl.answers("exec", "/metrics", output="fsm_problems 0\n")
    meshed.kubectl.answers("exec", "node-report", output={"cniConfigurations": {"files": [
        {"name": "10-calico.conflist", "text": json.dumps({"plugins": [{
            "type": "calico", "policy": {"k8s_auth_token": WEB_TOKEN, "type": "k8s"},
            "etcd_password": PASSWORD}]})}]}})
    meshed.kubectl.answers("logs", output=LOG)
    meshed.kubectl.answers("logs", "--previous", status=1,
                           errors="previous terminated container not found\n")
    meshed.helm.answers("get", "values", output={"fsm": {"logLevel": "info", "registryPassword": PASSWORD}})
    meshed.helm.answers("history", output=[{"revision": 1}])
    return meshed


def bundle(cluster, *words):
    """{path below the folder: text}, and what fsm said."""
    path = cluster.home / "b.tar.gz"
    done = cluster.fsm("support-bundle", "--output", str(path), *words)
    assert done.returncode == 0, done.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        names = archive.getnames()
        assert all(name.startswith("b/") for name in names), names
        files = {name.removeprefix("b/"): archive.extractfile(name).read().decode() for name in names}
    path.unlink()
    assert not list(cluster.home.iterdir()), "something was left"
    return files, done.stdout


def test_everything_is_in_it(cluster):
    files, said = bundle(cluster)
    assert {"index.json", "versions.json", "check.json", "nodes.json", "mesh/daemonset.json", "mesh/pods.json",
            "mesh/configmap.json", "mesh/events.json", "mesh/values.json", "mesh/history.json",
            "mesh/namespace.json", "mesh/revisions.json"} <= set(files)
    for node in ("node-a", "node-b"):
        assert {f"nodes/{node}/{name}" for name in (
            "status.json", "pods.json", "programs.json", "maps.json", "counters.json", "metrics.txt",
            "node-report.json", "log.txt")} <= set(files)
    index = json.loads(files["index.json"])
    assert set(index["files"]) == set(files) - {"index.json"}
    assert "look through it before you send it" in said
    assert "kept-value" in files["mesh/daemonset.json"] and "kept-secret-ref" in files["mesh/daemonset.json"]
    assert "logLevel: info" in files["mesh/configmap.json"]
    assert "end of the log" in files["nodes/node-a/log.txt"]
    assert "managedFields" not in files["nodes.json"]
    assert json.loads(files["check.json"])["checks"]


@pytest.mark.parametrize("words", [[], ["--redact-names"]])
def test_no_secret_is_in_it(cluster, words):
    files, said = bundle(cluster, *words)
    for secret in SECRETS:
        holders = [path for path, text in files.items() if secret in text]
        assert not holders, f"{secret} is in {holders}"
        assert secret not in said
    # The stubs did answer with them: nothing passes because nothing was collected.
    assert files["nodes/node-a/log.txt" if not words else "nodes/node-1/log.txt"].count("(redacted)") >= 9
    assert "(redacted)" in files["mesh/daemonset.json"]


def test_no_object_that_is_a_secret_is_asked_for(cluster):
    bundle(cluster)
    asked = [call for call in cluster.kubectl.calls() if call[0] == "get"]
    assert asked and not any("secret" in word.lower() for call in asked for word in call)
    assert not any("config" in call[:2] for call in cluster.kubectl.calls() if call[0] == "config")


def test_pieces_that_could_not_be_got_are_named(cluster):
    cluster.kubectl.answers("exec", "fsm-interceptor-node-b", errors=f"no shell, token={TOKEN}\n", status=1)
    cluster.kubectl.answers("get", "events", errors="forbidden\n", status=1)
    files, said = bundle(cluster)
    missing = {each["what"]: each["why"] for each in json.loads(files["index.json"])["missing"]}
    assert "no shell" in missing["nodes/node-b/status.json"]
    assert missing["mesh/events.json"] == "kubectl get: forbidden"
    assert "previous terminated container" in missing["nodes/node-a/log-previous.txt"]
    assert "nodes/node-b/status.json" not in files and "nodes/node-b/log.txt" in files
    assert "not in it: mesh/events.json: kubectl get: forbidden\n" in said
    assert TOKEN not in files["index.json"] and TOKEN not in said


def test_interceptor_that_crashes_has_its_logs_in_it(cluster):
    cluster.kubectl.answers("get", "pods", output={"items": [interceptor_pod("node-a", running=False)]})
    cluster.kubectl.answers("logs", "--previous", output="the reason\n")
    files, _ = bundle(cluster)
    assert files["nodes/node-a/log-previous.txt"] == "the reason\n"


def test_names_are_replaced_by_the_same_number_everywhere(cluster):
    files, _ = bundle(cluster, "--redact-names")
    everything = "".join([*files, *files.values()])
    for name in ("node-a", "node-b", "shop", "checkout-1"):
        assert f"{name}/" not in everything and f'"{name}"' not in everything, name
    pods = json.loads(files["nodes/node-1/pods.json"])["pods"]
    assert pods[0]["pod"] == "namespace-1/pod-1"
    assert pods[0]["reason"] == "pod namespace-1/pod-1 has no sidecar"
    assert pods[1]["pod"] == "kube-system/pod-2"
    assert "fsm-system" in everything


def test_cluster_without_a_mesh(terminal):
    terminal.kubectl.answers("version", output={"serverVersion": {"gitVersion": "v1.34.4"}})
    terminal.kubectl.answers("get", "nodes", output={"items": []})
    terminal.kubectl.answers("auth", "can-i", output="yes\n")
    files, said = bundle(terminal)
    assert {"versions.json", "check.json", "nodes.json"} <= set(files)
    assert "not in it: mesh: the cluster has no mesh fsm" in said


def test_api_server_that_does_not_answer(cluster):
    cluster.kubectl.answers("version", errors="refused\n", status=1)
    done = cluster.fsm("support-bundle")
    assert done.returncode == 1
    assert "refused" in done.stderr
    assert not list(cluster.home.iterdir())


def test_file_that_exists_is_kept(cluster):
    path = cluster.home / "mine.tar.gz"
    path.write_text("mine")
    done = cluster.fsm("support-bundle", "-o", str(path))
    assert done.returncode == 1
    assert "it exists already; name another file with --output" in done.stderr
    assert path.read_text() == "mine"


def test_folder_that_is_not_there(cluster):
    done = cluster.fsm("support-bundle", "-o", "/nowhere/b.tar.gz")
    assert done.returncode == 1
    assert "write /nowhere/b.tar.gz.unfinished: No such file" in done.stderr


def test_name_by_the_time(cluster):
    assert cluster.fsm("support-bundle").returncode == 0
    path, = cluster.home.iterdir()
    assert path.name.startswith("fsm-support-20") and path.name.endswith("Z.tar.gz")


def test_large_files_and_long_names(cluster):
    name = "n" * 120 + ".example"
    cluster.kubectl.answers("get", "pods", output={"items": [interceptor_pod(name)]})
    text = "".join(f"line {number} of the log\n" for number in range(200_000))
    cluster.kubectl.answers("logs", output=text)
    files, _ = bundle(cluster)
    assert files[f"nodes/{name}/log.txt"] == text
    assert io.StringIO(files["index.json"]).readline() == "{\n"
