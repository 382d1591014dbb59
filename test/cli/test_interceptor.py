"""fsm interceptor: commands of fsm-interceptor on every node."""

import json
import signal
import subprocess
import sys
import threading

import pytest

from conftest import daemonset, interceptor_pod

def answers(cluster, node, *words, **answer):
    cluster.kubectl.answers("exec", f"fsm-interceptor-{node}", "/app/fsm-interceptor", *words, **answer)


@pytest.fixture
def two_nodes(meshed):
    meshed.kubectl.answers("get", "pods", "app=fsm-interceptor,meshName=fsm",
                           output={"items": [interceptor_pod("b"), interceptor_pod("a")]})
    return meshed


def table(*rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "".join("   ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() + "\n"
                   for row in rows)


def test_tables_become_one(two_nodes):
    header = ("POD", "STATE", "NODES READY", "NOTE")
    answers(two_nodes, "a", "pods", output=table(header, ("shop/x", "in-mesh", "", "two words;  or more")))
    answers(two_nodes, "b", "pods", output=table(header, ("shop/with-a-long-name", "not-in-mesh", "1", "-")))
    done = two_nodes.fsm("interceptor", "pods")
    assert done.returncode == 0, done.stderr
    assert done.stdout == table(("NODE", *header), ("a", "shop/x", "in-mesh", "", "two words;  or more"),
                                ("b", "shop/with-a-long-name", "not-in-mesh", "1", "-"))


def test_tables_with_other_columns_stay_apart(two_nodes):
    """Of two versions, for instance."""
    answers(two_nodes, "a", "pods", output=table(("POD", "STATE"), ("x", "in-mesh")))
    answers(two_nodes, "b", "pods", output=table(("POD", "OTHER"), ("y", "-")))
    assert two_nodes.fsm("interceptor", "pods").stdout.splitlines() == [
        "a   POD   STATE", "a   x     in-mesh", "b   POD   OTHER", "b   y     -"]


def test_text_gets_the_nodes_name(two_nodes):
    answers(two_nodes, "a", "status", output="mode      ebpf\nproblems  none\n")
    answers(two_nodes, "b", "status", output="mode      iptables\n")
    assert two_nodes.fsm("interceptor", "status").stdout.splitlines() == [
        "a   mode      ebpf", "a   problems  none", "b   mode      iptables"]


@pytest.mark.parametrize("flag", [["-o", "json"], ["--output", "json"], ["--output=json"], ["-ojson"]])
def test_json_has_a_field_for_the_node(two_nodes, flag):
    answers(two_nodes, "a", "status", output=json.dumps({"mode": "ebpf", "node": "?"}, indent=2))
    answers(two_nodes, "b", "status", output='{"x": 1}\n{"x": 2}\n')
    lines = two_nodes.fsm("interceptor", "status", *flag).stdout.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"node": "a", "mode": "ebpf"}, {"node": "b", "x": 1}, {"node": "b", "x": 2}]
    assert all(line.startswith('{"node":') for line in lines)


@pytest.mark.parametrize("words", [["node-report"], ["query", "/v1/maps"]])
def test_commands_that_print_json_in_any_case(two_nodes, words):
    for each in "ab":
        answers(two_nodes, each, *words, output='{\n  "maps": []\n}\n')
    assert two_nodes.fsm("interceptor", *words).stdout == (
        '{"node":"a","maps":[]}\n{"node":"b","maps":[]}\n')


def test_json_that_is_none_is_told(two_nodes):
    answers(two_nodes, "a", "status", output="Segmentation fault\n")
    answers(two_nodes, "b", "status", output="{}")
    done = two_nodes.fsm("interceptor", "status", "-o", "json")
    assert done.returncode == 1
    assert done.stdout == '{"node":"b"}\n'
    assert "fsm: node a: its answer is no JSON: Segmentation fault" in done.stderr


def test_a_node_that_fails_does_not_hide_the_others(two_nodes):
    answers(two_nodes, "a", "status", errors="command terminated with exit code 3\n", status=3)
    answers(two_nodes, "b", "status", output="mode ebpf\n")
    done = two_nodes.fsm("interceptor", "status")
    assert done.returncode == 1
    assert done.stdout == "b   mode ebpf\n"
    assert done.stderr == ("fsm: node a: kubectl exec: command terminated with exit code 3\n"
                           "fsm: 1 of 2 nodes failed (above)\n")


@pytest.mark.parametrize("flags,shown", [([], ["a   problems", "b   fine"]),
                                         (["-o", "json"], ['{"node":"a","x":1}', '{"node":"b"}'])])
def test_what_a_failing_command_prints_is_shown_too(two_nodes, flags, shown):
    """As `status`, when it tells of a problem."""
    answers(two_nodes, "a", "status", output='{"x": 1}' if flags else "problems\n", status=4,
            errors="command terminated with exit code 4\n")
    answers(two_nodes, "b", "status", output="{}" if flags else "fine\n")
    done = two_nodes.fsm("interceptor", "status", *flags)
    assert done.returncode == 1
    assert done.stdout.splitlines() == shown
    assert "node a: kubectl exec: command terminated with exit code 4" in done.stderr


def test_a_pod_that_does_not_run_is_told_and_not_asked(meshed):
    meshed.kubectl.answers("get", "pods", output={"items": [
        interceptor_pod("a", running=False), interceptor_pod("b")]})
    answers(meshed, "b", "status", output="fine\n")
    done = meshed.fsm("interceptor", "status")
    assert done.returncode == 1
    assert "node a: pod fsm-interceptor-a is Pending, CrashLoopBackOff: it ended" in done.stderr
    assert done.stdout == "b   fine\n"
    assert not meshed.kubectl.called("exec", "fsm-interceptor-a")


def test_a_pod_that_is_being_deleted_gives_way_to_its_successor(meshed):
    leaving = interceptor_pod("a", name="old")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    meshed.kubectl.answers("get", "pods", output={"items": [leaving, interceptor_pod("a")]})
    answers(meshed, "a", "status", output="fine\n")
    assert meshed.fsm("interceptor", "status").stdout == "a   fine\n"


def test_only_the_nodes_that_are_named(two_nodes):
    answers(two_nodes, "b", "counters", output="x 1\n")
    done = two_nodes.fsm("interceptor", "--node", "b", "counters")
    assert done.stdout == "b   x 1\n"
    assert not two_nodes.kubectl.called("exec", "fsm-interceptor-a")
    done = two_nodes.fsm("interceptor", "--node", "c", "counters")
    assert done.returncode == 1
    assert "node c has no interceptor of mesh fsm" in done.stderr


def test_arguments_and_flags_of_the_command_are_passed_on(two_nodes):
    """Also those that fsm has, too."""
    for node in "ab":
        answers(two_nodes, node, output="")
    done = two_nodes.fsm("interceptor", "--kubeconfig", "/mine", "connections", "--port", "80",
                         "--kubeconfig", "/theirs", "--verbose", "--help")
    assert done.returncode == 0, done.stderr
    call = next(call for call in two_nodes.kubectl.calls() if call[0] == "exec")
    at = call.index("--")
    assert call[at + 1:] == ["/app/fsm-interceptor", "connections", "--port", "80", "--kubeconfig",
                             "/theirs", "--verbose", "--help"]
    assert call[call.index("--kubeconfig") + 1] == "/mine" and call.index("--kubeconfig") < at
    assert call[:at][call.index("--container") + 1] == "interceptor"


@pytest.mark.parametrize("words", [[], ["-x"], ["run"], ["uninstall", "--config", "x"]])
def test_commands_that_are_refused(two_nodes, words):
    done = two_nodes.fsm("interceptor", *words)
    assert done.returncode == 1
    assert "fsm interceptor" in done.stderr
    assert not two_nodes.kubectl.called("exec")


def test_without_a_mesh(terminal):
    done = terminal.fsm("interceptor", "status")
    assert done.returncode == 1
    assert "the cluster has no mesh fsm (meshes: none)" in done.stderr


def test_without_interceptors(meshed):
    done = meshed.fsm("interceptor", "status")
    assert done.returncode == 1
    assert "mesh fsm has no interceptor" in done.stderr


@pytest.mark.parametrize("words", [
    ["explain", "shop/web"], ["explain", "--no-color", "shop/web", "10.0.0.1:80"],
    ["connections", "--pod", "shop/web"], ["connections", "--order", "age", "--pod=shop/web"]])
def test_question_about_a_pod_is_one_to_its_node(two_nodes, words):
    two_nodes.kubectl.answers("get", "pod", "web", "shop", output={"spec": {"nodeName": "b"}})
    answers(two_nodes, "b", *words, output="in the mesh\n")
    assert two_nodes.fsm("interceptor", *words).stdout == "b   in the mesh\n"
    assert not two_nodes.kubectl.called("exec", "fsm-interceptor-a")


def test_explain_of_a_pod_that_is_not_there(two_nodes):
    two_nodes.kubectl.answers("get", "pod", "web")
    assert "the cluster has no pod shop/web" in two_nodes.fsm("interceptor", "explain", "shop/web").stderr
    two_nodes.kubectl.answers("get", "pod", "web", output={"spec": {}, "status": {"phase": "Pending"}})
    assert "is on no node yet (Pending)" in two_nodes.fsm("interceptor", "explain", "shop/web").stderr


def test_many_nodes_are_asked_at_the_same_time_and_no_more(meshed):
    """With a kubectl that counts how many of it run."""
    nodes = [f"n{number:02}" for number in range(12)]
    meshed.kubectl.answers("get", "pods", output={"items": [interceptor_pod(node) for node in nodes]})
    folder = meshed.kubectl.path.parent
    answering = folder / "answering"
    meshed.kubectl.path.rename(answering)
    for path in folder.glob("kubectl.answer.*"):
        path.rename(folder / path.name.replace("kubectl", "answering"))
    meshed.kubectl.path.write_text(f"""#!{sys.executable}
import fcntl, os, pathlib, sys, time
folder = pathlib.Path(__file__).parent
if sys.argv[1] != "exec":
    os.execv({str(answering)!r}, [{str(answering)!r}, *sys.argv[1:]])
def count(change):
    with (folder / "running").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        now = int(file.read() or 0) + change
        file.truncate(0)
        file.write(str(now))
        return now
now = count(1)
time.sleep(0.3)
count(-1)
print("peak", now)
""")
    meshed.kubectl.path.chmod(0o755)
    done = meshed.fsm("interceptor", "--at-once", "4", "status")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == nodes, "in the order of the names"
    assert 1 < max(int(line.split()[-1]) for line in lines) <= 4


# --- commands that go on --------------------------------------------------------------------------

STREAMING = """#!{python}
import json, pathlib, sys, time
if sys.argv[1] == "get":
    what = "daemonsets" if sys.argv[2].startswith("daemonsets") else "pods"
    print((pathlib.Path(__file__).parent / what).read_text())
    sys.exit()
node = next(word for word in sys.argv if word.startswith("fsm-interceptor-"))[-1]
assert "--end-with-input" in sys.argv and "--stdin" in sys.argv, sys.argv
folder = pathlib.Path(__file__).parent
print("TIME   VERDICT", flush=True)
sys.stdout.write("1      from-" + node)
sys.stdout.flush()
if node == "x":
    sys.stderr.write("container is gone\\n")
    sys.exit(7)
time.sleep(0.2)
print(flush=True)
(folder / ("started-" + node)).touch()
sys.stdin.read()
(folder / ("ended-" + node)).touch()
"""


@pytest.fixture
def streams(meshed):
    def of(*nodes):
        folder = meshed.kubectl.path.parent
        meshed.kubectl.path.write_text(STREAMING.format(python=sys.executable))
        (folder / "daemonsets").write_text(json.dumps({"items": [daemonset()]}))
        (folder / "pods").write_text(json.dumps({"items": [interceptor_pod(node) for node in nodes]}))
        return folder
    return of


def follow(terminal, *words):
    return subprocess.Popen([terminal.binary, "interceptor", *words], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=terminal.environment)


def wait_for(path):
    deadline = threading.Event()
    for _ in range(300):
        if path.exists():
            return
        deadline.wait(0.1)
    raise AssertionError(f"{path.name} did not come")


@pytest.mark.parametrize("words", [["trace"], ["connections", "--watch"], ["connections", "-w2"],
                                   ["pods", "--watch=2"]])
def test_streams_are_merged_line_by_line_as_they_come(meshed, streams, words):
    folder = streams("a", "b")
    with follow(meshed, *words) as running:
        lines = [running.stdout.readline() for _ in range(3)]
        assert running.poll() is None
        assert lines[0] == "NODE   TIME   VERDICT\n"
        assert sorted(lines[1:]) == ["a   1      from-a\n", "b   1      from-b\n"]
        running.send_signal(signal.SIGKILL)
    for node in "ab":
        wait_for(folder / f"ended-{node}")


def test_a_stream_that_ends_is_told_and_the_others_go_on(meshed, streams):
    folder = streams("a", "x")
    with follow(meshed, "trace") as running:
        assert running.stderr.readline() == "fsm: node x: is not followed any more\n"
        wait_for(folder / "started-a")
        assert running.poll() is None
        running.kill()


def test_more_streams_than_allowed_are_refused(meshed, streams):
    streams(*"abc")
    done = meshed.fsm("interceptor", "--at-once", "2", "trace")
    assert done.returncode == 1
    assert "would follow 3 nodes at the same time, and --at-once is 2" in done.stderr
