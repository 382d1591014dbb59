"""fsm install and fsm mesh upgrade, with programs that fail in every way."""

import os
import stat

import pytest

from conftest import daemonset, pod


def test_installs_with_the_flags_before_the_users_values(terminal):
    done = terminal.fsm("install", "--set", "trafficInterceptionMode=ebpf", "-f", "values.yaml",
                        "--set=fsm.fsmInterceptor.debug=true")
    assert done.returncode == 0, done.stderr
    call = next(call for call in terminal.helm.calls() if call[0] == "install")
    assert call[1] == "fsm"
    assert call[2].startswith("/proc/"), "the embedded chart, in memory"
    sets = [call[at + 1] for at, word in enumerate(call) if word == "--set"]
    assert sets == ["fsm.meshName=fsm", "fsm.enforceSingleMesh=true", "trafficInterceptionMode=ebpf",
                    "fsm.fsmInterceptor.debug=true"]
    assert call[call.index("--values") + 1] == "values.yaml"
    assert call[call.index("--namespace") + 1] == "fsm-system"


def test_mesh_name_is_the_releases(terminal):
    terminal.fsm("install", "--mesh-name", "other", "--fsm-namespace", "elsewhere",
                 "--enforce-single-mesh=false")
    call = next(call for call in terminal.helm.calls() if call[0] == "install")
    assert call[1] == "other"
    assert "fsm.meshName=other" in call
    assert "fsm.enforceSingleMesh=false" in call
    assert call[call.index("--namespace") + 1] == "elsewhere"


def test_makes_a_namespace_that_may_run_it(terminal):
    terminal.fsm("install")
    assert terminal.kubectl.called("create", "namespace", "fsm-system")
    assert terminal.kubectl.called("label", "pod-security.kubernetes.io/enforce=privileged")


def test_leaves_a_namespace_that_is_there_as_it_is(terminal):
    terminal.kubectl.answers("get", "namespace", output={"metadata": {"name": "fsm-system"}})
    assert terminal.fsm("install").returncode == 0
    assert not terminal.kubectl.called("create")
    assert not terminal.kubectl.called("label")


def test_shows_how_far_it_is(terminal):
    terminal.kubectl.answers("get", "fsm-interceptor", output=daemonset(ready=1), times=1)
    terminal.kubectl.answers("get", "fsm-interceptor", output=daemonset(generation=2), times=1)
    lines = terminal.fsm("install").stdout.splitlines()
    assert lines == ["installing mesh fsm in namespace fsm-system",
                     "waiting for the cluster to observe the DaemonSet",
                     "interceptor: 1 of 2 nodes ready", "interceptor: 2 of 2 nodes ready",
                     "mesh fsm is installed"]


def test_an_api_server_that_is_away_for_a_moment_is_asked_again(terminal):
    terminal.kubectl.answers("get", "fsm-interceptor", errors="connection refused", status=1, times=1)
    done = terminal.fsm("install")
    assert done.returncode == 0
    assert "no answer: kubectl get: connection refused" in done.stdout


def test_says_why_a_node_does_not_get_ready(terminal):
    terminal.kubectl.answers("get", "fsm-interceptor", output=daemonset(ready=1))
    terminal.kubectl.answers("get", "pods", output={"items": [
        pod("worker", "ImagePullBackOff", "no such image")]})
    done = terminal.fsm("install", "--timeout", "1s")
    assert done.returncode == 1
    assert "not done after 1s (--timeout): interceptor: 1 of 2 nodes ready" in done.stderr
    assert "node worker" in done.stderr
    assert "ImagePullBackOff: no such image" in done.stderr
    assert not terminal.helm.called("uninstall"), "without --atomic it stays for a look at it"


def test_atomic_undoes_everything(terminal):
    terminal.helm.answers("list", output=[{"name": "fsm"}])
    terminal.helm.answers("list", output=[], times=1)
    terminal.kubectl.answers("get", "fsm-interceptor", output=daemonset(ready=0))
    done = terminal.fsm("install", "--timeout=1s", "--atomic")
    assert done.returncode == 1
    assert terminal.helm.called("uninstall", "fsm")
    assert terminal.kubectl.called("delete", "namespace", "fsm-system")


def test_refuses_what_an_interrupted_installation_left(terminal):
    terminal.helm.answers("list", output=[{"name": "fsm"}])
    done = terminal.fsm("install")
    assert done.returncode == 1
    assert "left by an interrupted installation" in done.stderr
    assert not terminal.helm.called("install")


def test_atomic_keeps_a_namespace_that_was_there(terminal):
    terminal.kubectl.answers("get", "namespace", output={"metadata": {"name": "fsm-system"}})
    terminal.helm.answers("install", errors="Error: no\n", status=1)
    assert terminal.fsm("install", "--atomic").returncode == 1
    assert not terminal.kubectl.called("delete")


def test_values_that_the_chart_refuses_change_nothing(terminal):
    terminal.helm.answers("template", errors="Error: additional properties 'x' not allowed\n", status=1)
    done = terminal.fsm("install", "--set", "x=1")
    assert done.returncode == 1
    assert "additional properties 'x' not allowed" in done.stderr
    assert not terminal.kubectl.called("create")
    assert not terminal.helm.called("install")


@pytest.mark.parametrize("there,flags,words", [
    (daemonset(), [], "mesh fsm is already installed in namespace fsm-system"),
    (daemonset(mesh="old", namespace="x"), [], "mesh old in namespace x"),
    (daemonset(mesh="old", single="false"), [], "--enforce-single-mesh=false"),
])
def test_refuses_a_second_mesh(terminal, there, flags, words):
    terminal.kubectl.answers("get", "--all-namespaces", output={"items": [there]})
    done = terminal.fsm("install", *flags)
    assert done.returncode == 1
    assert words in done.stderr
    assert not terminal.helm.called("install")


def test_a_second_mesh_may_be_wanted_by_both(terminal):
    terminal.kubectl.answers("get", "--all-namespaces",
                             output={"items": [daemonset(mesh="old", single="false")]})
    assert terminal.fsm("install", "--enforce-single-mesh=false").returncode == 0


def test_dry_run_prints_and_asks_nobody(terminal):
    done = terminal.fsm("install", "--dry-run")
    assert done.stdout == "template done\n"
    assert not terminal.kubectl.calls()


def test_chart_of_ones_own(terminal):
    (terminal.home / "chart").mkdir()
    terminal.fsm("install", "--fsm-chart-path", "chart", "--dry-run")
    assert terminal.helm.called("template", "fsm", "chart")
    done = terminal.fsm("install", "--fsm-chart-path", "nowhere")
    assert "find the chart nowhere (--fsm-chart-path): No such file" in done.stderr


def test_cluster_of_ones_choice(terminal):
    terminal.fsm("install", "--kubeconfig", "/my/config", "--kube-context", "away")
    install = next(call for call in terminal.helm.calls() if call[0] == "install")
    assert install[-4:] == ["--kubeconfig", "/my/config", "--kube-context", "away"]
    assert all(call[-4:] == ["--kubeconfig", "/my/config", "--context", "away"]
               for call in terminal.kubectl.calls())


def test_verbose_shows_what_is_called(terminal):
    errors = terminal.fsm("install", "--verbose", "--set", "a=b c").stderr
    assert "+ helm install fsm " in errors
    assert "'a=b c'" in errors
    assert "+ kubectl get daemonsets.apps" in errors


@pytest.mark.parametrize("version,words", [
    ("v3.13.3", "it is v3.13.3, which is too old; install helm 3.14 or newer"),
    ("v2.17.0", "too old"),
    ("3.19", "it is not helm, or a version of helm that is not known"),
    ("", "it is not helm"),
])
def test_helm_that_will_not_do(terminal, version, words):
    terminal.helm.answers("version", output=version)
    done = terminal.fsm("install")
    assert done.returncode == 1
    assert words in done.stderr
    assert "HELM=/path/to/helm" in done.stderr


def test_no_helm(terminal):
    os.remove(terminal.helm.path)
    done = terminal.fsm("install", PATH="/nowhere")
    assert "look for helm (helm): start helm: No such file or directory" in done.stderr
    assert "https://helm.sh" in done.stderr


def test_helm_that_may_not_be_run(terminal):
    terminal.helm.path.chmod(stat.S_IRUSR)
    done = terminal.fsm("install", HELM=str(terminal.helm.path.parent))
    assert "Permission denied" in done.stderr


def test_no_kubectl(terminal):
    done = terminal.fsm("install", KUBECTL="/nowhere/kubectl")
    assert "start /nowhere/kubectl: No such file or directory" in done.stderr
    assert "KUBECTL=/path/to/kubectl" in done.stderr


@pytest.mark.parametrize("answer", ["", "not json", "[]", '{"items": 1}', '{"items": {}}'])
def test_kubectl_that_babbles(terminal, answer):
    terminal.kubectl.answers("get", "--all-namespaces", output=answer)
    done = terminal.fsm("install")
    assert done.returncode == 1
    assert done.stderr.startswith("fsm: list the meshes of the cluster: kubectl get")


def test_kubectls_log_is_left_out(terminal):
    terminal.kubectl.answers("get", "--all-namespaces", status=1, errors=(
        'E1121 11:48:21.070919    5096 memcache.go:265] "Unhandled Error"\nrefused\n'))
    assert terminal.fsm("mesh", "list").stderr == \
        "fsm: list the meshes of the cluster: kubectl get: refused\n"


@pytest.mark.parametrize("flag", [["--timeout", "5"], ["--timeout", "0s"], ["--timeout", "25h"],
                                  ["--timeout", "m"], ["--unheard-of"], ["extra"]])
def test_wrong_command_lines_are_refused(terminal, flag):
    assert terminal.fsm("install", *flag).returncode != 0
    assert not terminal.helm.calls()


# --- upgrade ------------------------------------------------------------------------------------

def test_upgrade_keeps_values(meshed):
    done = meshed.fsm("mesh", "upgrade", "--set", "fsm.acceleration=off")
    assert done.returncode == 0, done.stderr
    call = next(call for call in meshed.helm.calls() if call[0] == "upgrade")
    assert "--reset-then-reuse-values" in call
    assert [call[at + 1] for at, word in enumerate(call) if word == "--set"] == \
        ["fsm.acceleration=off"]


def test_upgrade_of_a_mesh_that_is_not_there(terminal):
    terminal.kubectl.answers("get", "--all-namespaces",
                             output={"items": [daemonset(mesh="other", namespace="x")]})
    done = terminal.fsm("mesh", "upgrade")
    assert done.returncode == 1
    assert "namespace fsm-system has no such mesh (meshes in the cluster: other in x)" in done.stderr


def test_upgrade_that_does_not_get_ready_goes_back(meshed):
    meshed.kubectl.answers("get", "fsm-interceptor", output=daemonset(ready=1))
    done = meshed.fsm("mesh", "upgrade", "--atomic", "--timeout", "1s")
    assert done.returncode == 1
    assert meshed.helm.called("rollback", "fsm")
