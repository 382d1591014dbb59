"""Every verb as a runtime sees it: status, stdout, and the request to the interceptor."""

import json
import os
import shutil
import subprocess
import tempfile
import time

import pytest

from interceptor import Interceptor

NOBODY = 65534
RESULT = '{"cniVersion":"1.1.0","ips":[{"address":"10.0.0.2/24"}]}'

# What a typed copy of the result would lose, by version.
RESULTS = {
    "0.3.0": '{"cniVersion":"0.3.0","interfaces":[{"name":"eth0","sandbox":"/run/netns/x"}],'
             '"ips":[{"version":"4","interface":0,"address":"10.0.0.2/24","gateway":"10.0.0.1"},'
             '{"version":"6","address":"fd00::2/64"}],"routes":[{"dst":"0.0.0.0/0"}],"dns":{}}',
    "0.3.1": '{ "dns" : {"nameservers":["10.0.0.10"]}, "cniVersion":"0.3.1",\n'
             '  "ips":[{"version":"4","address":"10.0.0.2/24"}] }',
    "0.4.0": '{"cniVersion":"0.4.0","ips":[{"version":"4","address":"10.0.0.2/24"}],"x":[]}',
    "1.0.0": '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","mac":"00:11:22:33:44:55"}],'
             '"ips":[{"address":"10.0.0.2/24","interface":0}]}',
    "1.1.0": '{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","mtu":1450,'
             '"socketPath":"/run/vhost","pciID":"0000:00:1f.6","sandbox":"/run/netns/x"}],'
             '"ips":[{"address":"10.0.0.2/24"}],"routes":[{"dst":"10.1.0.0/16","table":100,'
             '"scope":253,"mtu":1400,"advmss":1360,"priority":7}]}',
}

ODDITIES = [
    '{"cniVersion":"1.1.0","n":123456789012345678901234567890,"m":-9223372036854775809}',
    '{"cniVersion":"1.1.0","n":[1.0,1.10,1e2,1E+2,-0,-0.0,0.1000000000000000055]}',
    '{"cniVersion":"1.1.0","t":"\\u00e4 ä \\ud83d\\ude00 😀 \\/ \\u0000 \\" \\\\"}',
    '{"z":1,"cniVersion":"1.1.0","a":{"prevResult":{}},"z":2}',
    '{"cniVersion":"1.1.0","s":"}]{[,:"}',
]


@pytest.mark.parametrize("version", RESULTS)
def test_add_passes_the_result_of_each_version_on(runtime, version):
    with Interceptor(runtime.socket):
        runtime.call("ADD", runtime.config(RESULTS[version], version)).expect_result(
            RESULTS[version])


@pytest.mark.parametrize("result", ODDITIES)
def test_add_does_not_touch_what_it_does_not_know(runtime, result):
    with Interceptor(runtime.socket):
        runtime.call("ADD", runtime.config(result)).expect_result(result)


def test_add_completes_a_result_without_a_version(runtime):
    with Interceptor(runtime.socket):
        answer = runtime.call("ADD", runtime.config('{"b":1.50,"a":[]}', "0.4.0"))
    answer.expect_result('{"cniVersion":"0.4.0","b":1.50,"a":[]}')


def test_add_tells_the_interceptor_all_it_was_told(runtime):
    config = runtime.config(RESULT) + " \n"
    with Interceptor(runtime.socket) as interceptor:
        runtime.call("ADD", config).expect_result(RESULT)
    [request] = interceptor.requests
    assert (request.method, request.target) == ("POST", "/v1/cni/create-pod")
    assert request.stdin == config.encode()
    del request.json["StdinData"]
    assert request.json == {
        "ContainerID": "c0ffee", "Netns": "/run/netns/x", "IfName": "eth0",
        "Args": runtime.environment["CNI_ARGS"]}


def test_add_prints_the_error_of_the_interceptor_and_nothing_else(runtime):
    error = {"code": 107, "msg": "pod shop/web: bad annotation", "details": "port 99999"}
    with Interceptor(runtime.socket, json.dumps(error).encode(), 500):
        answer = runtime.call("ADD", runtime.config(RESULT))
    assert answer.expect_error(107) == {"cniVersion": "1.1.0", **error}


@pytest.mark.parametrize("status,code", [(500, 100), (503, 11), (404, 100)])
def test_add_takes_plain_text_for_the_reason(runtime, status, code):
    with Interceptor(runtime.socket, b"out of order\n", status):
        runtime.call("ADD", runtime.config(RESULT)).expect_error(code, "out of order", str(status))


def test_add_fails_without_a_socket(runtime):
    answer = runtime.call("ADD", runtime.config(RESULT))
    answer.expect_error(11, runtime.socket, "is fsm-interceptor running?")
    assert answer.seconds < 2


def test_add_fails_when_nobody_listens(runtime):
    with Interceptor(runtime.socket):
        pass
    runtime.call("ADD", runtime.config(RESULT)).expect_error(11, "Connection refused")


def test_add_fails_when_the_socket_is_for_somebody_else(runtime):
    with tempfile.TemporaryDirectory(prefix="fsm-cni-test.") as directory:
        # Socket and binary are reachable, so that only the socket's own permissions refuse.
        os.chmod(directory, 0o755)
        runtime.binary = shutil.copy(runtime.binary, directory)
        runtime.socket = os.path.join(directory, "socket")
        runtime.state_dir = os.path.join(directory, "state")
        with Interceptor(runtime.socket) as interceptor:
            os.chmod(runtime.socket, 0o600)
            answer = runtime.call("ADD", runtime.config(RESULT), user=NOBODY, group=NOBODY,
                                  extra_groups=[])
    answer.expect_error(11, "Permission denied", "Only root")
    assert interceptor.requests == []


@pytest.mark.parametrize("namespace", ["fsm-system", "kube-system"])
def test_leaves_some_namespaces_alone(runtime, namespace):
    runtime.environment["CNI_ARGS"] = f"K8S_POD_NAMESPACE={namespace};K8S_POD_NAME=x"
    config = runtime.config(RESULT, kubernetes={"exclude_namespaces": ["kube-system"]})
    with Interceptor(runtime.socket, b"", 500) as interceptor:
        runtime.call("ADD", config).expect_result(RESULT)
        runtime.call("CHECK", config).expect_silence()
        runtime.call("DEL", config).expect_silence()
    assert interceptor.requests == []
    assert runtime.notes == []


def test_asks_about_containers_that_are_no_pods(runtime):
    for args in (None, "", "IgnoreUnknown=1"):
        with Interceptor(runtime.socket) as interceptor:
            runtime.call("ADD", runtime.config(RESULT),
                         environment={"CNI_ARGS": args}).expect_result(RESULT)
        assert len(interceptor.requests) == 1
        os.unlink(runtime.socket)


def test_del_tells_the_interceptor(runtime):
    with Interceptor(runtime.socket) as interceptor:
        answer = runtime.call("DEL", runtime.config())
    answer.expect_silence()
    assert answer.stderr == ""
    assert interceptor.requests[0].target == "/v1/cni/delete-pod"
    assert runtime.notes == []


def test_del_leaves_a_note_when_the_interceptor_is_away(runtime):
    for _ in range(2):
        answer = runtime.call("DEL", runtime.config(), environment={"CNI_NETNS": None})
        answer.expect_silence()
        assert "is fsm-interceptor running?" in answer.stderr
        assert runtime.notes == [
            {"ContainerID": "c0ffee", "IfName": "eth0", "Netns": "", "Network": "net"}]


@pytest.mark.parametrize("status", [500, 503])
def test_del_leaves_a_note_when_the_interceptor_fails(runtime, status):
    with Interceptor(runtime.socket, b'{"code":100,"msg":"map is gone"}', status):
        answer = runtime.call("DEL", runtime.config())
    answer.expect_silence()
    assert "map is gone" in answer.stderr
    [note] = runtime.notes
    assert note["Netns"] == "/run/netns/x"


def test_del_leaves_a_note_when_the_interceptor_hangs(runtime):
    with Interceptor(runtime.socket, behave=lambda connection: connection.recv(1) and time.sleep(3)):
        answer = runtime.call("DEL", runtime.config(timeout_ms=200))
    answer.expect_silence()
    assert answer.seconds < 2
    assert [note["ContainerID"] for note in runtime.notes] == ["c0ffee"]


def test_del_fails_when_the_note_cannot_be_written(runtime):
    with open(runtime.state_dir, "w", encoding="utf-8"):
        pass
    runtime.call("DEL", runtime.config()).expect_error(5, runtime.state_dir, "fsm-interceptor")


@pytest.mark.parametrize("container_id", ["../../etc/passwd", "a/b", ".hidden", "", "a\nb"])
def test_del_makes_no_file_names_of_bad_ids(runtime, container_id):
    answer = runtime.call("DEL", runtime.config(), environment={"CNI_CONTAINERID": container_id})
    answer.expect_error(4, "CNI_CONTAINERID")
    assert not os.path.exists(runtime.state_dir)


def test_add_withdraws_the_note_of_a_container_that_starts_again(runtime):
    runtime.call("DEL", runtime.config()).expect_silence()
    runtime.call("DEL", runtime.config(), environment={"CNI_IFNAME": "net1"}).expect_silence()
    with Interceptor(runtime.socket):
        runtime.call("ADD", runtime.config(RESULT)).expect_result(RESULT)
    assert [note["IfName"] for note in runtime.notes] == ["net1"]


def test_add_leaves_the_note_of_another_network(runtime):
    other = runtime.config().replace('"net"', '"other"')
    runtime.call("DEL", other).expect_silence()
    with Interceptor(runtime.socket):
        runtime.call("ADD", runtime.config(RESULT)).expect_result(RESULT)
    assert [note["Network"] for note in runtime.notes] == ["other"]


def test_check_says_nothing_or_what_is_wrong(runtime):
    with Interceptor(runtime.socket) as interceptor:
        runtime.call("CHECK", runtime.config(RESULT)).expect_silence()
    assert interceptor.requests[0].target == "/v1/cni/check-pod"
    runtime.call("CHECK", runtime.config(RESULT)).expect_error(11, "is fsm-interceptor running?")
    runtime.call("CHECK", runtime.config()).expect_error(7, "prevResult")
    runtime.call("CHECK", runtime.config(RESULT, "0.3.1")).expect_error(1, "CHECK", "0.4.0")


@pytest.mark.parametrize("length", [201, 1024, 1025, 100000])
def test_del_of_a_long_container_id_leaves_a_note(runtime, length):
    named = {"CNI_CONTAINERID": "a" * length}
    runtime.call("DEL", runtime.config(), environment=named).expect_silence()
    [note] = runtime.notes
    assert note["ContainerID"] == "a" * length
    answer = runtime.call("ADD", runtime.config(RESULT), environment=named)
    answer.expect_error(11 if length <= 1024 else 4)


@pytest.mark.parametrize("key", ["cni.dev/valid-attachments", "cni.dev/attachments"])
def test_gc_hands_the_attachments_on(runtime, key):
    attachments = {key: [{"containerID": "a", "ifname": "eth0"}]}
    config = runtime.config(**attachments)
    with Interceptor(runtime.socket) as interceptor:
        runtime.call("GC", config, environment={"CNI_CONTAINERID": None, "CNI_NETNS": None,
                                                "CNI_IFNAME": None}).expect_silence()
    [request] = interceptor.requests
    assert request.target == "/v1/cni/gc"
    assert set(request.json) == {"StdinData"}
    assert json.loads(request.stdin)[key] == [
        {"containerID": "a", "ifname": "eth0"}]


def test_gc_knows_an_empty_list_from_none(runtime):
    with Interceptor(runtime.socket) as interceptor:
        runtime.call("GC", runtime.config()).expect_silence()
        runtime.call("GC", runtime.config(**{"cni.dev/valid-attachments": None})).expect_silence()
        assert interceptor.requests == []
        runtime.call("GC", runtime.config(**{"cni.dev/valid-attachments": []})).expect_silence()
        assert len(interceptor.requests) == 1


def test_gc_reports_what_failed(runtime):
    config = runtime.config(**{"cni.dev/valid-attachments": []})
    with Interceptor(runtime.socket, b'{"code":100,"msg":"2 of 3 are gone"}', 500):
        runtime.call("GC", config).expect_error(100, "2 of 3 are gone")
    runtime.call("GC", config).expect_error(11)
    runtime.call("GC", runtime.config(version="1.0.0")).expect_error(1, "GC", "1.1.0")


def test_status_tells_whether_add_can_be_served(runtime):
    with Interceptor(runtime.socket) as interceptor:
        runtime.call("STATUS", runtime.config()).expect_silence()
    assert (interceptor.requests[0].method, interceptor.requests[0].target) == (
        "GET", "/v1/cni/status")
    os.unlink(runtime.socket)
    with Interceptor(runtime.socket, b'{"code":51,"msg":"programs are missing"}', 503):
        runtime.call("STATUS", runtime.config()).expect_error(51, "programs are missing")
    runtime.call("STATUS", runtime.config()).expect_error(50, "is fsm-interceptor running?")
    runtime.call("STATUS", runtime.config(version="1.0.0")).expect_error(1, "STATUS")


def test_version_answers_in_the_version_it_is_asked_in(runtime):
    dummies = {"CNI_CONTAINERID": "dummy", "CNI_NETNS": "dummy", "CNI_IFNAME": "dummy",
               "CNI_PATH": "dummy"}
    for version in ("0.1.0", "0.4.0", "1.1.0"):
        answer = runtime.call("VERSION", json.dumps({"cniVersion": version}), environment=dummies)
        assert answer.status == 0
        assert answer.json == {
            "cniVersion": version,
            "supportedVersions": ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]}


@pytest.mark.parametrize("name", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"])
@pytest.mark.parametrize("command", ["ADD", "CHECK"])
def test_names_the_variable_that_is_missing(runtime, command, name):
    runtime.call(command, runtime.config(RESULT), environment={name: None}).expect_error(4, name)


@pytest.mark.parametrize("environment", [
    {"CNI_IFNAME": "sixteen-letters!"}, {"CNI_IFNAME": "a/b"}, {"CNI_IFNAME": ".."},
    {"CNI_CONTAINERID": "-x"}, {"CNI_ARGS": "broken"}, {"CNI_COMMAND": "FROB"},
    {"CNI_NETNS": b"/\xff"},
])
def test_names_the_variable_that_is_wrong(runtime, environment):
    [name] = environment
    environment = {"CNI_COMMAND": "ADD", **environment}
    runtime.call(None, runtime.config(RESULT), environment=environment).expect_error(4, name)


@pytest.mark.parametrize("stdin", [b"", b"{", b"[]", b"nonsense", b'{"a":"\xff"}', b"\0" * 100])
@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK", "GC", "STATUS"])
def test_reports_what_is_not_json(runtime, command, stdin):
    runtime.call(command, stdin).expect_error(6)


@pytest.mark.parametrize("version", ["0.0.1", "1.2.0", "nonsense"])
def test_reports_versions_it_does_not_speak(runtime, version):
    runtime.call("ADD", runtime.config(RESULT, version)).expect_error(1, version, "1.1.0")


@pytest.mark.parametrize("members,path", [
    ({"name": None}, "name"),
    ({"name": 1}, "name"),
    ({"socket": []}, "socket"),
    ({"socket": "/" + "x" * 200}, "socket"),
    ({"timeout_ms": "10"}, "timeout_ms"),
    ({"timeout_ms": 99}, "timeout_ms"),
    ({"timeout_ms": 60001}, "timeout_ms"),
    ({"state_dir": "relative"}, "state_dir"),
    ({"log_level": 3}, "log_level"),
    ({"kubernetes": "x"}, "kubernetes"),
    ({"kubernetes": {"kubeconfig": 1}}, "kubernetes.kubeconfig"),
    ({"kubernetes": {"exclude_namespaces": "x"}}, "kubernetes.exclude_namespaces"),
    ({"kubernetes": {"exclude_namespaces": [1]}}, "kubernetes.exclude_namespaces[0]"),
])
def test_names_the_setting_that_is_wrong(runtime, members, path):
    runtime.call("ADD", runtime.config(RESULT, **members)).expect_error(7, path)


@pytest.mark.parametrize("result", [None, "null", "[]", '"x"', "7"])
def test_add_needs_a_result_to_pass_on(runtime, result):
    runtime.call("ADD", runtime.config(result)).expect_error(7, "prevResult")


def test_takes_the_configuration_of_fsm(runtime):
    config = runtime.config(RESULT, log_level="info", kubernetes={
        "kubeconfig": "/etc/cni/net.d/ZZZ-fsm-cni-kubeconfig", "cni_bin_dir": "/opt/cni/bin",
        "exclude_namespaces": [], "node_name": "n", "intercept_type": "ebpf", "k8s_api_root": ""})
    with Interceptor(runtime.socket):
        runtime.call("ADD", config).expect_result(RESULT)


def test_does_not_wait_for_ever_for_the_end_of_stdin(runtime):
    reader, writer = os.pipe()
    begin = time.monotonic()
    try:
        process = subprocess.run([runtime.binary], env={"CNI_COMMAND": "STATUS"}, stdin=reader,
                                 capture_output=True, timeout=30, check=False)
    finally:
        os.close(reader)
        os.close(writer)
    assert json.loads(process.stdout)["code"] == 5
    assert 9 < time.monotonic() - begin < 15


def test_bounds_stdin(runtime):
    runtime.call("STATUS", runtime.config(x="y" * (2 << 20))).expect_error(5, "524288 bytes")
