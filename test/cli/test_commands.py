"""mesh list, namespace, version, env, settings."""

import json

import pytest

from conftest import daemonset


def namespace(name, labels=None, annotations=None):
    return {"metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}}}


def patches(terminal):
    """{namespace: changes}."""
    return {call[2]: json.loads(call[call.index("--patch") + 1])["metadata"]
            for call in terminal.kubectl.calls() if call[0] == "patch"}


def test_mesh_list(meshed):
    assert meshed.fsm("mesh", "list").stdout.splitlines() == [
        "MESH   NAMESPACE    VERSION   MODE   PROFILE   NODES READY",
        "fsm    fsm-system   0.1.0     ebpf   fsm       2/2"]


def test_mesh_list_of_an_empty_cluster(terminal):
    assert terminal.fsm("mesh", "list").stdout == "the cluster has no mesh; install one with `fsm install`\n"


@pytest.mark.parametrize("command", ["namespace", "ns"])
def test_namespaces_are_added(meshed, command):
    for name in ("a", "b"):
        meshed.kubectl.answers("get", "namespace", name, output=namespace(name))
    done = meshed.fsm(command, "add", "a", "b")
    assert done.returncode == 0, done.stderr
    wanted = {"labels": {"flomesh.io/monitored-by": "fsm"},
              "annotations": {"flomesh.io/sidecar-injection": "enabled"}}
    assert patches(meshed) == {"a": wanted, "b": wanted}


def test_namespace_is_added_without_injection(meshed):
    meshed.kubectl.answers("get", "namespace", "a", output=namespace("a"))
    meshed.fsm("ns", "add", "a", "--disable-sidecar-injection")
    assert patches(meshed)["a"]["annotations"] == {"flomesh.io/sidecar-injection": "disabled"}


@pytest.mark.parametrize("labels,words", [
    ({"flomesh.io/ignore": "true"}, "add namespace a: the namespace is labelled flomesh.io/ignore=true"),
    ({"flomesh.io/monitored-by": "other"}, "add namespace a: the namespace belongs to mesh other"),
])
def test_namespaces_that_are_not_added(meshed, labels, words):
    meshed.kubectl.answers("get", "namespace", "a", output=namespace("a", labels))
    done = meshed.fsm("ns", "add", "a")
    assert done.returncode == 1
    assert words in done.stderr
    assert not patches(meshed)


def test_namespace_or_mesh_that_is_not_there(meshed):
    assert "the cluster has no namespace a" in meshed.fsm("ns", "add", "a").stderr
    assert "the cluster has no mesh x (meshes: fsm in fsm-system)" in \
        meshed.fsm("ns", "add", "a", "--mesh-name", "x").stderr


def test_namespace_is_removed(meshed):
    meshed.kubectl.answers("get", "namespace", "a", output=namespace(
        "a", {"flomesh.io/monitored-by": "fsm"}))
    assert meshed.fsm("ns", "remove", "a").returncode == 0
    assert patches(meshed)["a"] == {
        "labels": {"flomesh.io/monitored-by": None, "flomesh.io/ignore": None},
        "annotations": {"flomesh.io/sidecar-injection": None, "flomesh.io/metrics": None}}


@pytest.mark.parametrize("labels,words", [
    ({"flomesh.io/monitored-by": "other"}, "it belongs to mesh other; say --mesh-name other"),
    ({}, "it does not belong to a mesh"),
])
def test_namespaces_that_are_not_removed(meshed, labels, words):
    meshed.kubectl.answers("get", "namespace", "a", output=namespace("a", labels))
    done = meshed.fsm("ns", "remove", "a")
    assert done.returncode == 1
    assert words in done.stderr


def test_ignored_namespace_can_be_removed(meshed):
    meshed.kubectl.answers("get", "namespace", "a", output=namespace("a", {"flomesh.io/ignore": "true"}))
    assert meshed.fsm("ns", "remove", "a").returncode == 0


def test_namespaces_are_ignored(terminal):
    terminal.kubectl.answers("get", "namespace", "a", output=namespace("a"))
    assert terminal.fsm("ns", "ignore", "a").returncode == 0
    assert patches(terminal) == {"a": {"labels": {"flomesh.io/ignore": "true"}}}


def test_namespaces_are_listed(terminal):
    terminal.kubectl.answers("get", "namespaces", output={"items": [
        namespace("shop", {"flomesh.io/monitored-by": "fsm"},
                  {"flomesh.io/sidecar-injection": "enabled"}),
        namespace("b", {"flomesh.io/monitored-by": "fsm"})]})
    assert terminal.fsm("ns", "list").stdout.splitlines() == [
        "NAMESPACE   MESH   SIDECAR-INJECTION", "shop        fsm    enabled", "b           fsm    -"]
    terminal.fsm("ns", "list", "--mesh-name", "x")
    assert terminal.kubectl.called("flomesh.io/monitored-by=x")


def test_version(meshed):
    assert meshed.fsm("version").stdout.splitlines() == [
        "fsm 0.1.0", "mesh fsm in fsm-system 0.1.0"]
    meshed.kubectl.answers("get", "--all-namespaces", errors="refused", status=1)
    done = meshed.fsm("version")
    assert done.returncode == 0
    assert "meshes: unknown: list the meshes of the cluster: kubectl get: refused" in done.stdout


def test_version_of_the_program_alone(terminal):
    assert terminal.fsm("version", "--cli-only").stdout == "fsm 0.1.0\n"
    assert not terminal.kubectl.calls()


def setting(terminal, name, *flags, **environment):
    lines = terminal.fsm("env", *flags, **environment).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines)[name].strip('"')


def test_settings_of_file_environment_and_flags(terminal):
    assert setting(terminal, "FSM_NAMESPACE") == "fsm-system"
    folder = terminal.home / ".fsm"
    folder.mkdir()
    (folder / "config.yaml").write_text("namespace: of-file\nverbose: true\n")
    assert setting(terminal, "FSM_NAMESPACE") == "of-file"
    assert setting(terminal, "FSM_VERBOSE") == "true"
    assert setting(terminal, "FSM_NAMESPACE", FSM_NAMESPACE="of-environment") == "of-environment"
    assert setting(terminal, "FSM_NAMESPACE", "--fsm-namespace", "of-flag",
                   FSM_NAMESPACE="of-environment") == "of-flag"


@pytest.mark.parametrize("text,words", [
    ("namespaces: x\n", "config.yaml:1: key namespaces"),
    ("namespace: [x]\n", "config.yaml:1"),
    ("a: b: c\n", "config.yaml"),
])
def test_settings_file_that_is_wrong(terminal, text, words):
    path = terminal.home / "config.yaml"
    path.write_text(text)
    done = terminal.fsm("env", FSM_CONFIG=str(path))
    assert done.returncode == 1
    assert words in done.stderr


def test_settings_file_that_is_named_must_be_there(terminal):
    assert "/nowhere" in terminal.fsm("env", FSM_CONFIG="/nowhere").stderr


def test_no_command(terminal):
    done = terminal.fsm()
    assert done.returncode != 0
    assert "subcommand is required" in done.stderr + done.stdout


def test_daemonset_without_labels_is_shown_as_it_is(terminal):
    bare = daemonset()
    del bare["metadata"]["labels"]
    terminal.kubectl.answers("get", "--all-namespaces", output={"items": [bare, 7, None]})
    assert terminal.fsm("mesh", "list").returncode == 0


def test_a_program_that_closes_its_outputs_and_does_not_end_is_ended(meshed):
    """A timeout; also after 30 s without an answer."""
    meshed.helm.path.write_text("#!/bin/sh\nexec >&- 2>&-\nexec sleep 300\n")
    done = meshed.fsm("uninstall", "mesh", "--force")
    assert done.returncode == 1
    assert "it is not done after 30 s, and was ended" in done.stderr
