"""The commands that ask a running interceptor: JSON, exit statuses, and what they say without one."""

import json
import socket
import subprocess

import pytest

from test_daemon import POD, request_for, wait_for

OK, FAILED, USAGE, NOT_RUNNING, DEGRADED = range(5)
ASKING = ["status", "pods", "connections", "counters", "log"]
PROBES = ["healthz", "readyz"]


@pytest.mark.parametrize("command", ASKING + PROBES)
def test_without_an_interceptor_a_command_says_how_to_start_one(instance, command):
    answer = instance.call(command)
    assert answer.returncode == (FAILED if command in PROBES else NOT_RUNNING)
    assert answer.stdout == ""
    assert str(instance.socket) in answer.stderr
    assert "start it as root with `fsm-interceptor`" in answer.stderr
    assert "fsm install" in answer.stderr


def test_socket_of_an_interceptor_that_was_killed(instance):
    instance.start()
    instance.stop(9)
    assert instance.socket.exists()
    answer = instance.call("status")
    assert answer.returncode == NOT_RUNNING
    assert "start it" in answer.stderr


def test_json_is_the_answer_of_the_route(instance, netns):
    (instance.pods / "web.yaml").write_text(POD)
    instance.start()
    assert instance.ask("POST", "/v1/cni/create-pod", request_for(netns))[0] == 200
    for command in "status", "pods", "counters", "log":
        answer = instance.call(command, "-o", "json")
        assert answer.returncode == OK, answer.stderr
        assert json.loads(answer.stdout) == instance.get_json(f"/v1/{command}")
    answer = instance.call("connections", "-o", "json")
    assert (answer.returncode, answer.stdout) == (OK, "")
    assert "/run/netns/" in instance.call("pods", "--output", "wide").stdout
    assert "/run/netns/" not in instance.call("pods").stdout


def test_status_of_a_node_with_a_problem(instance):
    instance.start()
    assert instance.call("status").returncode == OK
    (instance.pods / "bad.yaml").write_text("kind: Pod\nmetadata: [")
    wait_for(lambda: instance.call("status").returncode == DEGRADED)
    answer = instance.call("status", "-o", "json")
    assert answer.returncode == DEGRADED
    assert "bad.yaml" in " ".join(json.loads(answer.stdout)["problems"])
    assert instance.call("pods").returncode == OK


@pytest.mark.parametrize("arguments", [
    ["nonsense"], ["--nonsense"], ["status", "-o", "wide"], ["status", "-o", "yaml"],
    ["connections", "--pod", "web"], ["connections", "--to", "shop"],
    ["connections", "--to", "10.1.2.3/8"], ["connections", "--port", "0"],
    ["connections", "--port", "x"], ["connections", "--sort", "colour"],
    ["connections", "--watch", "0"],
])
def test_wrong_command_line(instance, arguments):
    answer = instance.command(*arguments, "--socket", instance.socket)
    assert answer.returncode == USAGE, answer.stderr
    assert arguments[-1] in answer.stderr or arguments[-2] in answer.stderr


def test_output_that_is_closed_ends_a_command_quietly(instance):
    instance.start()
    watching = subprocess.Popen([instance.binary, "connections", "--watch", "0.1", "--socket",
                                 instance.socket], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert watching.stdout.readline().startswith(b"POD ")
    watching.stdout.close()
    watching.wait(10)
    assert watching.stderr.read() == b""
    watching.stderr.close()


# ---- the log

def lines_of(instance, **wanted):
    """Of a log in JSON: every line must be an object."""
    lines = [json.loads(line) for line in instance.log.read_text().splitlines()]
    return [line for line in lines if wanted.items() <= line.items()]


def test_levels_of_the_log_are_changed_while_it_runs(instance):
    instance.start()
    assert "request GET" not in instance.log.read_text()
    answer = instance.call("log", "api=debug")
    assert answer.returncode == OK, answer.stderr
    levels = dict(line.split() for line in answer.stdout.splitlines())
    assert levels == {"MODULE": "LEVEL", "api": "debug", "daemon": "info", "health": "info",
                      "install": "info", "kubernetes": "info", "sync": "info"}
    instance.get("/v1/pods")
    wait_for(lambda: "[api] request GET /v1/pods" in instance.log.read_text())
    assert "log level of api is debug now, it was info" in instance.log.read_text()

    assert instance.call("log", "error", "sync=warn").returncode == OK
    levels = json.loads(instance.call("log", "-o", "json").stdout)["levels"]
    assert levels.pop("sync") == "warn"
    assert set(levels.values()) == {"error"}
    before = instance.log.read_text()
    instance.get("/v1/maps")
    assert instance.log.read_text() == before


@pytest.mark.parametrize("changes, mentions", [
    (["loud"], "loud"), (["api=loud"], "loud"), (["kernel=debug"], "kernel"), (["=debug"], "module"),
    (["debug", "api=loud"], "loud"),
])
def test_level_that_is_wrong_changes_nothing(instance, changes, mentions):
    instance.start()
    before = instance.get_json("/v1/log")
    answer = instance.call("log", *changes)
    assert answer.returncode == FAILED
    assert mentions in answer.stderr
    assert instance.get_json("/v1/log") == before


@pytest.mark.parametrize("body", ["", "[]", "{", '"debug"', "{}", '{"level": 5}', '{"levels": []}',
                                  '{"levels": {"api": null}}'])
def test_change_of_the_log_that_is_malformed(instance, body):
    instance.start()
    status, text = instance.ask("POST", "/v1/log", body)
    assert status == 400, text
    assert "the levels are not changed" in text


def test_log_of_json_has_each_pod_in_a_field(instance, netns):
    instance.config |= {"logFormat": "json", "logLevel": "error",
                        "logLevels": {"sync": "info", "api": "debug"}}
    (instance.pods / "web.yaml").write_text(POD)
    instance.start()
    assert instance.ask("POST", "/v1/cni/create-pod", request_for(netns))[0] == 200
    assert instance.ask("POST", "/v1/cni/delete-pod", request_for(netns))[0] == 200
    of_pod = lines_of(instance, pod="default/web")
    messages = " ".join(line["message"] for line in of_pod)
    for part in "verb=add", "enrolled", "verb=del", "removed":
        assert part in messages, messages
    assert {(line["level"], line["module"]) for line in of_pod} == {("info", "sync"),
                                                                    ("debug", "api")}
    assert lines_of(instance, level="info", module="daemon") == []
    # No line about the pod has its name elsewhere.
    assert not [line for line in lines_of(instance) if "pod" not in line
                and "default/web" in line["message"]]


def test_log_of_text_has_each_pod_in_a_field(instance, netns):
    instance.config |= {"logLevel": "debug"}
    (instance.pods / "web.yaml").write_text(POD)
    instance.start()
    assert instance.ask("POST", "/v1/cni/create-pod", request_for(netns))[0] == 200
    lines = [line for line in instance.log.read_text().splitlines() if "c1" in line]
    assert len(lines) >= 2
    assert all(" pod=default/web " in line for line in lines), lines


def test_debug_has_requests_that_no_handler_gets(instance):
    """Refused, malformed, and dropped ones."""
    instance.config["logLevel"] = "debug"
    instance.start()
    instance.ask("POST", "/v1/cni/gc", "x" * (2 << 20))
    instance.ask("BREW", "/v1/status")
    with_raw_bytes(instance, b"\x00\x01\r\n\r\n")
    with_raw_bytes(instance, b"GET /v1/sta")
    log = instance.log.read_text()
    for part in ("larger than", "request BREW /v1/status", "the request is not complete"):
        assert part in log, part


def with_raw_bytes(instance, data):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(str(instance.socket))
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass


@pytest.mark.parametrize("level", ["DEBUG", "Disabled", "fatal", "panic", "warning"])
def test_verbosity_takes_fsms_levels(instance, level):
    answer = instance.command("check-config", "--config", instance.config_file, "-v", level)
    assert answer.returncode == OK, answer.stderr
