"""Start, stop, a single instance, pods from ADD to DEL, and uninstall, with the real data path."""

import base64
import http.client
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
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

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


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
    assert instance.call("status").returncode == 4


def test_a_pod_from_add_to_del(instance, netns):
    (instance.pods / "web.yaml").write_text(POD)
    instance.start()
    assert instance.ask("POST", "/v1/cni/create-pod", request_for(netns)) == (200, "ok")
    assert instance.ask("POST", "/v1/cni/check-pod", request_for(netns)) == (200, "ok")
    assert pods(instance)[0]["state"] == "in-mesh"
    assert pods(instance)[0]["addresses"] == ["10.77.0.5"]
    # An edit of the manifest removes the pod from the mesh and adds it again.
    disabled = POD.replace("name: web,", "name: web, annotations: "
                           "{flomesh.io/sidecar-injection: disabled},")
    (instance.pods / "web.yaml").write_text(disabled)
    wait_for(lambda: pods(instance)[0]["state"] == "not-in-mesh")
    (instance.pods / "web.yaml").write_text(POD)
    wait_for(lambda: pods(instance)[0]["state"] == "in-mesh")
    # After a restart the interceptor still has the pod.
    instance.stop()
    instance.start()
    assert pods(instance)[0]["state"] == "in-mesh"
    assert instance.ask("POST", "/v1/cni/delete-pod", request_for("")) == (200, "ok")
    assert pods(instance) == []
    assert instance.ask("POST", "/v1/cni/delete-pod", request_for("")) == (200, "ok")


def test_pods_and_counters_are_readable(instance, netns):
    (instance.pods / "web.yaml").write_text(POD)
    instance.start()
    assert instance.call("pods").stdout.split() == [
        "POD", "STATE", "INBOUND", "ACCELERATION", "LISTENERS", "ADDRESSES", "NOTE"]
    assert instance.ask("POST", "/v1/cni/create-pod", request_for(netns))[0] == 200
    heading, web = instance.call("pods").stdout.splitlines()
    assert web.split() == ["default/web", "in-mesh", "sk_lookup", pods(instance)[0]["acceleration"],
                           "-", "10.77.0.5", "-"]
    assert heading.index("ADDRESSES") == web.index("10.77.0.5")
    (instance.pods / "web.yaml").write_text(POD.replace(
        "name: web,", "name: web, annotations: {flomesh.io/sidecar-injection: disabled},"))
    wait_for(lambda: "not-in-mesh" in instance.call("pods").stdout)
    assert pods(instance)[0]["reason"] in instance.call("pods").stdout
    assert "inbound_no_listener 0" in instance.call("counters").stdout.splitlines()


def test_any_route_can_be_queried(instance):
    instance.start()
    assert json.loads(instance.call("query", "/v1/maps").stdout)["maps"]
    assert "fsm_build_info{" in instance.call("query", "/metrics").stdout
    wrong = instance.call("query", "/v1/nothing")
    assert wrong.returncode == 1
    assert "/v1/nothing" in wrong.stderr
    assert instance.call("query").returncode != 0


def test_node_report_has_facts_and_names_what_it_cannot_read(instance, tmp_path):
    """Without a running interceptor, and with one that shows its programs at the hooks."""
    folder = tmp_path / "net.d"
    folder.mkdir()
    (folder / "10-net.conflist").write_text('{"name": "n", "plugins": []}')
    (folder / "calico-kubeconfig").write_text("token: secret\n")
    flags = ["--cni-config-dir", folder, "--cni-bin-dir", tmp_path / "nowhere"]
    facts = json.loads(instance.call("node-report", *flags).stdout)
    assert facts["kernel"] == {"release": os.uname().release, "version": os.uname().version,
                               "architecture": os.uname().machine,
                               "btf": pathlib.Path("/sys/kernel/btf/vmlinux").exists()}
    files = {file["name"]: file for file in facts["cniConfigurations"]["files"]}
    assert files["10-net.conflist"]["text"] == '{"name": "n", "plugins": []}'
    assert "text" not in files["calico-kubeconfig"]
    assert str(tmp_path / "nowhere") in next(
        each["why"] for each in facts["unavailable"] if each["what"] == "cniPlugins")
    instance.start()
    facts = json.loads(instance.call("node-report", *flags).stdout)
    at_connect = [each["name"] for each in facts["cgroupPrograms"] if each["hook"] == "connect4"]
    assert any(name.startswith("fsm_") for name in at_connect), facts["cgroupPrograms"]


def test_command_that_waits_ends_with_its_input(instance):
    """As `fsm interceptor` runs it. The daemon is the one command that waits in every build."""
    with subprocess.Popen([instance.binary, "--end-with-input", "run", "--config",
                           str(instance.config_file)], stdin=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        wait_for(instance.socket.exists, seconds=20)
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(20) == 0


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def scrape(port, path="/metrics", method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_every_counter_is_explained(instance):
    instance.start()
    explained = (REPOSITORY / "docs/troubleshooting.md").read_text()
    for name in instance.get_json("/v1/counters")["counters"]:
        assert f"`{name}`" in explained


def test_metrics_by_tcp_and_nothing_else(instance):
    port = free_port()
    instance.config["metricsAddress"] = f"127.0.0.1:{port}"
    instance.start()
    status, text = scrape(port)
    assert status == 200
    outbound = 'fsm_decisions_total{hook="connect",verdict="redirected",reason="outbound"} 0'
    assert outbound in text.splitlines()
    assert "fsm_program_" not in text, "programStatistics is off: no such series, not a 0"
    assert [scrape(port, path)[0] for path in ("/v1/pods", "/v1/status", "/readyz", "/")] == [404] * 4
    assert scrape(port, "/v1/cni/create-pod", "POST")[0] == 404
    instance.stop()
    with pytest.raises(ConnectionRefusedError):
        scrape(port)


def test_metrics_are_of_every_address_without_one(instance):
    port = free_port()
    instance.config["metricsAddress"] = f":{port}"
    instance.start()
    assert scrape(port)[0] == 200


def test_port_of_the_metrics_that_is_taken_is_a_problem_and_no_end(instance):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        instance.config["metricsAddress"] = address
        instance.start()
        [problem] = instance.get_json("/v1/status")["problems"]
        assert address in problem and "in use" in problem and "metricsAddress" in problem
        assert instance.get("/readyz")[0] == 200


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
    assert answer.returncode == 0, answer.stderr
    assert f"{instance.state} stays" in answer.stdout + answer.stderr
    assert [path.name for path in instance.state.iterdir()] == ["precious"]


def mounted_at(path):
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if line.split()[4] == str(path)]


def test_a_bpffs_that_would_go_away_with_a_container_is_not_mounted(instance, tmp_path):
    """At any place of the host's processes."""
    bpffs = tmp_path / "bpffs"
    bpffs.mkdir()
    instance.config |= {"bpffs": str(bpffs), "mountBpffs": False, "proc": "/proc"}
    answer = instance.call("run")
    assert answer.returncode == 1
    assert "mount it on the node" in answer.stdout + answer.stderr
    assert not mounted_at(bpffs)
    del instance.config["mountBpffs"]
    answer = instance.call("run", "--host-proc", "/proc")
    assert answer.returncode == 1 and not mounted_at(bpffs)


def test_a_bpffs_is_mounted_although_the_hosts_processes_are_elsewhere(instance, tmp_path):
    bpffs, proc = tmp_path / "bpffs", tmp_path / "proc"
    bpffs.mkdir()
    proc.symlink_to("/proc")
    instance.config |= {"bpffs": str(bpffs), "proc": str(proc)}
    instance.start()
    assert mounted_at(bpffs)
    instance.stop()
    assert instance.call("uninstall").returncode == 0
    assert not mounted_at(bpffs)


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
    # It can no longer store attachments, so no pod can be started.
    (instance.state / "attachments").rename(instance.state / "elsewhere")
    refused = instance.call("readyz")
    (instance.state / "elsewhere").rename(instance.state / "attachments")
    assert refused.returncode == 1
    assert "attachments cannot be remembered" in refused.stderr
    assert instance.call("healthz").returncode == 0
