"""Start, stop, one instance only, pods from ADD to DEL, and uninstall, with the real data path."""

import base64
import json
import os
import pathlib
import signal
import stat
import time

import pytest

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {fsm-proxy-uuid: a0c5}}
spec:
  containers:
  - {name: app, image: app}
  - {name: sidecar, image: proxy, securityContext: {runAsUser: 1500}}
"""


def request_for(netns):
    return json.dumps({
        "ContainerID": "c1", "Netns": netns, "IfName": "eth0", "Path": "",
        "Args": "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web",
        "StdinData": base64.b64encode(b'{"name":"net"}').decode(),
    })


def wait_for(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def pods(instance):
    return instance.get_json("/v1/pods")["pods"]


def test_the_socket_is_roots_and_goes_with_the_process(instance):
    instance.start()
    mode = instance.socket.stat()
    assert stat.S_IMODE(mode.st_mode) == 0o600
    assert mode.st_uid == 0
    begin = time.monotonic()
    assert instance.stop() == 0
    assert time.monotonic() - begin < 1
    assert not instance.socket.exists()


def test_a_second_instance_names_the_first(instance):
    instance.start()
    second = instance.call("run")
    assert second.returncode == 1
    assert f"pid {instance.process.pid}" in second.stderr
    instance.config["stateDirectory"] = str(instance.directory / "other")
    third = instance.call("run")
    assert third.returncode == 1
    assert f"pid {instance.process.pid}" in third.stderr
    instance.config["stateDirectory"] = str(instance.state)
    (instance.directory / "other" / "lock").unlink()
    (instance.directory / "other").rmdir()
    assert instance.get("/healthz")[0] == 200


def test_a_killed_instance_is_replaced(instance):
    instance.start()
    instance.stop(signal.SIGKILL)
    assert instance.socket.exists()
    instance.start()
    assert instance.get("/readyz")[0] == 200


@pytest.mark.parametrize("change, mentions", [
    ({"podSource": {"directory": "/nonexistent"}}, "/nonexistent"),
    ({"profile": "nonsense"}, "nonsense"),
    ({"cgroup": "/proc"}, "/proc"),
    ({"socket": "/nonexistent/x.sock"}, "/nonexistent/x.sock"),
])
def test_a_start_that_fails_says_why(instance, change, mentions):
    before = dict(instance.config)
    instance.config.update(change)
    answer = instance.call("run")
    instance.config = before
    assert answer.returncode == 1
    assert mentions in answer.stderr


def test_status_is_readable(instance):
    instance.start()
    answer = instance.call("status")
    assert answer.returncode == 0, answer.stderr
    assert f"pid {instance.process.pid}" in answer.stdout
    assert "problems      none" in answer.stdout
    (instance.pods / "bad.yaml").write_text("kind: Pod\nmetadata: [")
    wait_for(lambda: "bad.yaml" in instance.call("status").stdout)
    instance.stop()
    answer = instance.call("status")
    assert answer.returncode == 1
    assert str(instance.socket) in answer.stderr


def test_a_pod_from_add_to_del(instance, netns):
    (instance.pods / "web.yaml").write_text(POD)
    instance.start()
    assert instance.ask("POST", "/v1/cni/create-pod", request_for(netns)) == (200, "ok")
    assert instance.ask("POST", "/v1/cni/check-pod", request_for(netns)) == (200, "ok")
    assert pods(instance)[0]["state"] == "in-mesh"
    assert pods(instance)[0]["addresses"] == ["10.77.0.5"]
    # An edit of the manifest takes the pod out of the mesh and back in.
    disabled = POD.replace("name: web,", "name: web, annotations: "
                           "{flomesh.io/sidecar-injection: disabled},")
    (instance.pods / "web.yaml").write_text(disabled)
    wait_for(lambda: pods(instance)[0]["state"] == "not-in-mesh")
    (instance.pods / "web.yaml").write_text(POD)
    wait_for(lambda: pods(instance)[0]["state"] == "in-mesh")
    # A restart finds it.
    instance.stop()
    instance.start()
    assert pods(instance)[0]["state"] == "in-mesh"
    assert instance.ask("POST", "/v1/cni/delete-pod", request_for("")) == (200, "ok")
    assert pods(instance) == []
    assert instance.ask("POST", "/v1/cni/delete-pod", request_for("")) == (200, "ok")


def test_a_note_that_was_left_while_it_was_away(instance, netns):
    (instance.pods / "web.yaml").write_text(POD)
    instance.start()
    assert instance.ask("POST", "/v1/cni/create-pod", request_for(netns))[0] == 200
    instance.stop()
    note = instance.state / "deleted" / "c1-eth0.json"
    note.write_text(json.dumps({"ContainerID": "c1", "IfName": "eth0", "Netns": netns}))
    instance.start()
    assert pods(instance) == []
    assert not note.exists()


def test_uninstall_refuses_while_one_runs(instance):
    instance.start()
    answer = instance.call("uninstall")
    assert answer.returncode == 1
    assert f"pid {instance.process.pid}" in answer.stderr
    assert instance.get("/healthz")[0] == 200


def test_uninstall_leaves_nothing(instance, netns):
    (instance.pods / "web.yaml").write_text(POD)
    instance.start()
    assert instance.ask("POST", "/v1/cni/create-pod", request_for(netns))[0] == 200
    instance.stop(signal.SIGKILL)
    answer = instance.call("uninstall")
    assert answer.returncode == 0, answer.stderr
    assert not instance.state.exists()
    assert not instance.socket.exists()
    assert not pathlib.Path("/sys/fs/bpf", instance.pins).exists()
    assert instance.call("uninstall").returncode == 0, "it can be repeated"


def test_uninstall_keeps_what_is_not_its_own(instance):
    instance.start()
    instance.stop()
    (instance.state / "precious").write_text("x")
    answer = instance.call("uninstall")
    assert answer.returncode == 1
    assert str(instance.state) in answer.stderr
    assert (instance.state / "precious").exists()
    (instance.state / "precious").unlink()


def test_probes_say_whether_it_is_alive_and_ready_and_why_not(instance):
    for probe in ("healthz", "readyz"):
        away = instance.call(probe)
        assert away.returncode == 1
        assert str(instance.socket) in away.stderr
    instance.start()
    for probe in ("healthz", "readyz"):
        answer = instance.call(probe)
        assert answer.returncode == 0, answer.stderr
        assert answer.stderr == ""
    # It cannot remember attachments any more: no pod can be started.
    (instance.state / "attachments").rename(instance.state / "elsewhere")
    refused = instance.call("readyz")
    (instance.state / "elsewhere").rename(instance.state / "attachments")
    assert refused.returncode == 1
    assert "attachments cannot be remembered" in refused.stderr
    assert instance.call("healthz").returncode == 0
