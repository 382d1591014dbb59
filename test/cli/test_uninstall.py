"""fsm uninstall mesh."""

from conftest import pod


def test_waits_until_the_interceptors_are_gone(meshed):
    meshed.kubectl.answers("get", "pods", output={"items": [pod("a")]}, times=1)
    meshed.kubectl.answers("get", "pods", output={"items": [pod("a"), pod("b")]}, times=1)
    done = meshed.fsm("uninstall", "mesh", "--force")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "waiting for 2 interceptors to clean up; nodes: a, b",
        "waiting for 1 interceptor to clean up; nodes: a",
        "no interceptor is left", "mesh fsm is uninstalled",
        "Accelerated connections continue by TCP. The kernel of a node keeps the program fsm_msg and its "
        "maps until the last of them is closed."]


def test_says_which_node_does_not_get_done(meshed):
    meshed.kubectl.answers("get", "pods", output={"items": [pod("stuck")]})
    done = meshed.fsm("uninstall", "mesh", "-f", "--timeout", "1s")
    assert done.returncode == 1
    assert "remove themselves: not done after 1s (--timeout)" in done.stderr
    assert "stuck" in done.stderr


def test_asks_first(meshed):
    done = meshed.fsm("uninstall", "mesh", answer="n\n")
    assert done.returncode == 1
    assert "Uninstall mesh fsm from namespace fsm-system? [y/n]" in done.stdout
    assert "nothing was changed" in done.stderr
    assert not meshed.helm.called("uninstall")
    assert meshed.fsm("uninstall", "mesh", answer="y\n").returncode == 0
    assert meshed.helm.called("uninstall", "fsm")


def test_nobody_to_ask_is_a_no(meshed):
    assert meshed.fsm("uninstall", "mesh").returncode == 1
    assert not meshed.helm.called("uninstall")


def test_mesh_that_is_not_there(terminal):
    done = terminal.fsm("uninstall", "mesh")
    assert done.returncode == 1
    assert "namespace fsm-system has no mesh fsm (meshes in the cluster: none)" in done.stderr
    assert terminal.fsm("uninstall", "mesh", "--force").returncode == 0


def test_removes_no_more_than_asked(meshed):
    meshed.fsm("uninstall", "mesh", "--force")
    assert not meshed.kubectl.called("delete")


def test_removes_the_namespace_too(meshed):
    assert meshed.fsm("uninstall", "mesh", "-f", "--delete-namespace").returncode == 0
    assert meshed.kubectl.called("delete", "namespace", "fsm-system")


def test_removes_what_a_lost_release_left(terminal):
    assert terminal.fsm("uninstall", "mesh", "-f", "-a").returncode == 0
    assert terminal.kubectl.called("delete", "clusterrolebindings,clusterroles",
                                   "app=fsm-interceptor,meshName=fsm")


def test_helms_failure_is_told(meshed):
    meshed.helm.answers("uninstall", errors="Error: forbidden\n", status=1)
    done = meshed.fsm("uninstall", "mesh", "-f")
    assert done.stderr == "fsm: uninstall mesh fsm: helm uninstall: forbidden\n"


def test_helm_that_cannot_tell_is_not_taken_for_no_mesh(meshed):
    meshed.helm.answers("list", errors="Error: Kubernetes cluster unreachable\n", status=1)
    done = meshed.fsm("uninstall", "mesh", "-f")
    assert done.returncode == 1
    assert done.stderr == "fsm: helm list: Kubernetes cluster unreachable\n"
