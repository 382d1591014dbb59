"""Shared by the tests of the command line: fsm, and stubs of helm and kubectl with scripted answers."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from checked import STATUS, node, report

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

FOR_EVER = 1_000_000
# Several of a program may run at the same time: answers change only under the lock.
STUB = f"""#!{sys.executable}
import fcntl, json, pathlib, sys
folder = pathlib.Path(__file__).parent
name = pathlib.Path(__file__).name
words = sys.argv[1:]
lock = (folder / "lock").open("w")
fcntl.flock(lock, fcntl.LOCK_EX)
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps([name, *words]) + chr(10))
for path in sorted(folder.glob(name + ".answer.*")):
    answer = json.loads(path.read_text())
    if all(part in words for part in answer["words"]):
        if answer["times"] == 1:
            path.unlink()
        elif answer["times"] < {FOR_EVER}:
            path.write_text(json.dumps(dict(answer, times=answer["times"] - 1)))
        lock.close()
        sys.stdout.write(answer["output"])
        sys.stderr.write(answer["errors"])
        sys.exit(answer["status"])
sys.stderr.write("no answer for " + " ".join(words) + chr(10))
sys.exit(99)
"""


def pytest_addoption(parser):
    parser.addoption("--helm", default="", help="helm; tests that need it are skipped without")
    parser.addoption("--fsm", required=True, help="the command line's binary")


@pytest.fixture(scope="session")
def binary(request):
    path = os.path.abspath(request.config.getoption("--fsm"))
    assert os.access(path, os.X_OK), f"{path} is not an executable file"
    return path


class Stub:
    """A program that answers by its command line; the newest matching answer is used."""

    def __init__(self, folder, name):
        self._folder, self._name, self._count = folder, name, 0
        self.path = folder / name
        self.path.write_text(STUB)
        self.path.chmod(0o755)

    def answers(self, *words, output="", errors="", status=0, times=FOR_EVER):
        if not isinstance(output, str):
            output = json.dumps(output)
        self._count += 1
        path = self._folder / f"{self._name}.answer.{FOR_EVER - self._count:07}"
        path.write_text(json.dumps({"words": words, "output": output, "errors": errors,
                                    "status": status, "times": times}))

    def calls(self):
        path = self._folder / "calls"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [words[1:] for words in lines if words[0] == self._name]

    def called(self, *words):
        return any(all(part in call for part in words) for call in self.calls())


class Terminal:
    """A user's shell for fsm: with its own environment and home folder."""

    def __init__(self, binary, folder):
        self.binary = binary
        self.home = folder / "home"
        self.home.mkdir()
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        programs = folder / "programs"
        programs.mkdir()
        self.helm, self.kubectl = Stub(programs, "helm"), Stub(programs, "kubectl")
        self.environment = {"HOME": str(self.home), "TMPDIR": str(self.temporary),
                            "PATH": f"{programs}:/usr/bin:/bin"}

    def fsm(self, *words, answer="", **environment):
        done = subprocess.run([self.binary, *words], capture_output=True, text=True, check=False,
                              input=answer, timeout=60, cwd=self.home,
                              env={**self.environment, **environment})
        assert not list(self.temporary.iterdir()), "temporary files were left"
        return done


def daemonset(mesh="fsm", namespace="fsm-system", nodes=2, ready=2, single="true", generation=1):
    return {"metadata": {"namespace": namespace, "generation": generation,
                         "labels": {"meshName": mesh, "enforceSingleMesh": single,
                                    "app.kubernetes.io/version": "0.1.0"},
                         "annotations": {"fsm.flomesh.io/traffic-interception-mode": "ebpf",
                                         "fsm.flomesh.io/mesh-profile": "fsm"}},
            "status": {"observedGeneration": 1, "desiredNumberScheduled": nodes,
                       "updatedNumberScheduled": nodes, "numberReady": ready,
                       "numberMisscheduled": 0}}


def pod(node, reason="", message=""):
    waiting = {"waiting": {"reason": reason, "message": message}} if reason else {}
    return {"metadata": {"name": f"fsm-interceptor-{node}"}, "spec": {"nodeName": node},
            "status": {"phase": "Pending", "containerStatuses": [{"ready": False, "state": waiting}]}}


def interceptor_pod(node, name="", running=True, version="0.1.0"):
    state = {"running": {}} if running else {"waiting": {"reason": "CrashLoopBackOff", "message": "it ended"}}
    return {"metadata": {"name": name or f"fsm-interceptor-{node}", "namespace": "fsm-system"},
            "spec": {"nodeName": node,
                     "containers": [{"image": f"localhost/fsm-interceptor:{version}"}]},
            "status": {"phase": "Running" if running else "Pending",
                       "containerStatuses": [{"ready": running, "state": state}]}}


@pytest.fixture
def terminal(binary, tmp_path):
    """An empty cluster that accepts everything."""
    made = Terminal(binary, tmp_path)
    made.helm.answers("version", output="v3.19.0")
    for verb in ("template", "install", "upgrade", "uninstall", "rollback"):
        made.helm.answers(verb, output=f"{verb} done\n")
    made.helm.answers("list", output=[])
    made.kubectl.answers("get", "daemonsets.apps", output={"items": []})
    made.kubectl.answers("get", "daemonsets.apps", "fsm-interceptor", output=daemonset())
    made.kubectl.answers("get", "pods", output={"items": []})
    made.kubectl.answers("get", "namespace")
    for verb in ("create", "label", "patch", "delete"):
        made.kubectl.answers(verb)
    return made


@pytest.fixture
def meshed(terminal):
    """A cluster with the mesh fsm."""
    terminal.helm.answers("list", output=[{"name": "fsm"}])
    terminal.kubectl.answers("get", "daemonsets.apps", "--all-namespaces",
                             output={"items": [daemonset()]})
    return terminal


@pytest.fixture
def cluster(terminal):
    """One that the mesh can be installed into."""
    terminal.kubectl.answers("version", output={"serverVersion": {"gitVersion": "v1.34.4"},
                                                "clientVersion": {"gitVersion": "v1.34.4"}})
    terminal.kubectl.answers("get", "nodes", output={"items": [node("a"), node("b")]})
    terminal.kubectl.answers("auth", "can-i", output="yes\n")
    return terminal


@pytest.fixture
def installed(cluster):
    cluster.kubectl.answers("get", "daemonsets.apps", "--all-namespaces", output={"items": [daemonset()]})
    cluster.kubectl.answers("get", "namespace", output={"metadata": {"name": "fsm-system"}})
    cluster.kubectl.answers("get", "pods", output={"items": [interceptor_pod("a"), interceptor_pod("b")]})
    cluster.kubectl.answers("exec", "/v1/status", output=STATUS)
    cluster.kubectl.answers("exec", "node-report", output=report())
    cluster.kubectl.answers("auth", "can-i", output="yes\n")  # before "get pods", which it can contain
    return cluster
