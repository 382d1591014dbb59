"""Every query of the dashboard and of the rules, run by a Prometheus that scrapes an interceptor: a query
that names a metric or a label that is not there returns nothing.

The tests run in their order: first the node is healthy, then it is broken in every way that an alert is
about.
"""

import errno
import json
import math
import socket
import subprocess

import pytest
import yaml

from conftest import MAX_PODS
from harness import programs
from harness.application import ask, connect_error
from harness.cni import CniFailure
from harness.place import Place
from harness.wait import eventually

FILES = programs.REPOSITORY / "charts/fsm/files"
RULES = [rule for group in yaml.safe_load((FILES / "rules.yaml").read_text())["groups"]
         for rule in group["rules"]]
ALERTS = {rule["alert"]: rule["expr"] for rule in RULES if "alert" in rule}
RECORDINGS = {rule["record"]: rule["expr"] for rule in RULES if "record" in rule}
# More entries than a pod may have.
TOO_MANY_PORTS = ",".join(str(port) for port in range(1, 9000, 2))


def dashboard_queries():
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$instance", ".+").replace("$__rate_interval", "1m")
            yield pytest.param(expression, id=f"{panel['title']} {target['refId']}")


def numbers(prometheus, expression):
    return [value for _, value in prometheus.query(expression) if not math.isnan(value)]


@pytest.fixture(scope="module")
def traffic(mesh, prometheus):
    """Two pods that were enrolled, and then talked, while Prometheus looked on."""
    client, server = mesh.pair(8080)
    for _ in range(3):
        client.call(ask, server.pod.ip4, 8080)
    client.withdraw()
    client.enrol()
    client.call(ask, server.pod.ip4, 8080)
    return client, server


@pytest.mark.parametrize("expression", dashboard_queries())
def test_queries_of_the_dashboard_return_something(traffic, prometheus, expression):
    eventually(lambda: numbers(prometheus, expression), 30)


@pytest.mark.parametrize("name", RECORDINGS)
def test_recordings_return_something(traffic, prometheus, name):
    eventually(lambda: numbers(prometheus, RECORDINGS[name]), 30)
    eventually(lambda: numbers(prometheus, name), 30)


def test_prometheus_evaluates_every_rule(traffic, prometheus):
    def evaluated():
        rules = prometheus.rules()
        assert set(rules) == set(ALERTS) | set(RECORDINGS)
        return all(rule["health"] == "ok" for rule in rules.values())
    eventually(evaluated, 30)


def test_a_recorded_condition_and_the_alerts_are_silent_on_a_healthy_node(traffic, prometheus):
    # That the series exist is what the next tests show.
    assert {name: prometheus.query(expression) for name, expression in ALERTS.items()} == \
        {name: [] for name in ALERTS}
    assert set(numbers(prometheus, "fsm_condition")) == {0}


# ---- the node breaks ----


def refuse_a_start(mesh, **_):
    with pytest.raises(CniFailure):
        mesh.interceptor.cni.add(mesh.stranger("ghost").pod)


def refuse_a_change(client, **_):
    client.describe(**{"flomesh.io/outbound-port-exclusion-list": TOO_MANY_PORTS})


def connect_without_a_listener(mesh, **_):
    deaf = mesh.member("deaf")
    outside = mesh.outsider("outside")
    assert outside.call(connect_error, deaf.pod.ip4, 8080) == errno.ECONNREFUSED


# The sidecar's socket is in no cgroup of pods: its end never claims the client's handshakes.
def exhaust_the_share(mesh, **_):
    greedy = mesh.member("greedy")
    node = mesh.node
    place = Place(greedy.pod.netns.path, node.control_group.child("node"), greedy.uid)
    listening = greedy.keep(place.spawn(listen_for_ever, 15001))
    eventually(lambda: ":15001 " in greedy.pod.root.run("ss", "-Hltn").stdout)
    assert greedy.call(connect_until_refused, "10.77.0.1", 8080)
    assert listening.pid


def listen_for_ever(port):
    with socket.create_server(("", port)) as server:
        accepted = []
        while True:
            accepted.append(server.accept())


def connect_until_refused(address, port):
    kept = []
    for _ in range(100):
        connection = socket.socket()
        connection.settimeout(5)
        if connection.connect_ex((address, port)) != 0:
            return True
        kept.append(connection)
    return False


def fill_a_map(mesh, **_):
    while mesh.interceptor.map_entries()["fsm_pods"] < MAX_PODS:
        mesh.member(f"more{mesh.interceptor.map_entries()['fsm_pods']}")


def take_the_api_away(mesh, **_):
    mesh.interceptor.api.stop()


# A start waits for the API server, which does not answer, until podLookupTimeout.
def start_slowly(mesh, **_):
    with mesh.interceptor.api.lock, pytest.raises(CniFailure):
        mesh.interceptor.cni.add(mesh.stranger("slow").pod)


def restart_without_the_api(mesh, **_):
    mesh.interceptor.restart()


def unmount_the_bpffs(mesh, **_):
    subprocess.run(["umount", "--lazy", str(mesh.interceptor.bpffs)], check=True)


def end_the_interceptor(mesh, **_):
    mesh.interceptor.kill()


# In an order in which each leaves the node able to do the next.
BREAKS = {
    "FsmPodNotApplied": refuse_a_change,
    "FsmSidecarNotListening": connect_without_a_listener,
    "FsmConnectionsRefused": exhaust_the_share,
    "FsmMapAlmostFull": fill_a_map,
    "FsmPodsRefused": refuse_a_start,
    "FsmPodStartsSlow": start_slowly,
    "FsmApiUnreachable": take_the_api_away,
    "FsmNodeProblem": lambda **_: None,  # the same
    "FsmPodsUnknown": restart_without_the_api,
    "FsmDataPathBroken": unmount_the_bpffs,
    "FsmInterceptorDown": end_the_interceptor,
}


def test_every_alert_has_a_break():
    assert set(BREAKS) == set(ALERTS)


@pytest.mark.parametrize("alert", BREAKS)
def test_alerts_see_what_they_are_about(traffic, mesh, prometheus, alert):
    client, server = traffic
    BREAKS[alert](mesh=mesh, client=client, server=server)
    # Maps are counted once a minute.
    eventually(lambda: prometheus.query(ALERTS[alert]), 90)
