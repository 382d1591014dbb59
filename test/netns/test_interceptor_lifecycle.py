"""The data path works without the interceptor: killed, stopped, upgraded, under load."""

import contextlib
import functools
import json
import subprocess
import time

import pytest

from harness import programs
from harness.application import ask
from harness.load import expect_few_cut, expect_flawless, start_load
from harness.wait import eventually

AFTERWARDS = 1  # seconds for which a load continues


@contextlib.contextmanager
def load_on(client, server, expect_fresh=expect_flawless):
    """Requests on open connections and on new ones; none may fail, except new ones as `expect_fresh`
    says."""
    lasting = start_load(client, server, at_least=1000)
    fresh = start_load(client, server, requests_per_connection=3, serve=False, at_least=500)
    time.sleep(0.3)
    yield
    time.sleep(AFTERWARDS)
    expect_flawless(lasting)
    expect_fresh(fresh)


def expect_interception(client, server):
    """Both relays use SO_ORIGINAL_DST."""
    def reports():
        return sum(line["original_dst"].endswith(":8080")
                   for line in server.relay.reports("inbound"))

    for family in ("v4", "v6"):
        before = reports()
        answer = client.call(ask, server.pod.address(family), 8080)
        assert answer["application"] == "server"
        assert answer["peer"] in ("127.0.0.6", "::1"), "it went past the server's sidecar"
        assert reports() == before + 1


@pytest.fixture
def running(make_mesh, inbound):
    mesh = make_mesh(inbound, acceleration="sidecar")
    client, server = mesh.pair(8080)
    expect_interception(client, server)
    return mesh.interceptor, client, server


def program_ids(interceptor):
    return {program["name"]: program["id"] for program in interceptor.get("programs")["programs"]}


def lengths(interceptor):
    """Size in bytes of each program as the kernel runs it: disabled tracing is not part of it. (The
    kernel's tag is the same for both, because it does not cover the read-only data.)"""
    result = {}
    for name, number in program_ids(interceptor).items():
        shown = subprocess.run(["bpftool", "-j", "prog", "show", "id", str(number)], check=True,
                               capture_output=True, text=True).stdout
        result[name] = json.loads(shown)["bytes_xlated"]
    return result


def expect_one_program_of_each(server, inbound):
    assert len(server.pod.programs_on_interface()) == (2 if inbound == "tc" else 0)


def test_killed_and_started_again_under_load(running, inbound):
    interceptor, client, server = running
    with load_on(client, server):
        interceptor.kill()
        expect_interception(client, server)
        interceptor.start()
    expect_interception(client, server)
    expect_one_program_of_each(server, inbound)


def test_stopped_and_started_again_under_load(running, inbound):
    interceptor, client, server = running
    with load_on(client, server):
        interceptor.stop()
        expect_interception(client, server)
        interceptor.start()
    expect_interception(client, server)
    expect_one_program_of_each(server, inbound)
    assert client.state()["state"] == server.state()["state"] == "in-mesh"


def test_killed_three_times_in_a_row(running, inbound):
    """At any point of its start."""
    interceptor, client, server = running
    with load_on(client, server):
        for pause in (0.02, 0.15, 0.4):
            interceptor.kill()
            with interceptor.log.open("ab") as log:
                interceptor.process = interceptor.node.place.start(
                    programs.INTERCEPTOR, "run", "--config", interceptor.configuration, stdout=log,
                    stderr=log, stdin=subprocess.DEVNULL)
            time.sleep(pause)
        interceptor.kill()
        interceptor.start()
    expect_interception(client, server)
    expect_one_program_of_each(server, inbound)


def test_upgraded_to_different_programs_under_load(running, inbound):
    interceptor, client, server = running
    before = lengths(interceptor)
    with load_on(client, server):
        interceptor.restart(kernelTracing=True)
    after = lengths(interceptor)
    assert before.keys() == after.keys()
    assert any(before[name] != after[name] for name in before), before
    expect_interception(client, server)
    expect_one_program_of_each(server, inbound)
    unused = {"sk_lookup": {"fsm_ingress", "fsm_egress"}, "tc": {"fsm_lookup"}}[inbound]
    assert {program["name"] for program in interceptor.get("programs")["programs"]
            if not program["attached"]} <= unused


def test_upgraded_to_another_layout_of_the_maps_under_load(running, inbound):
    """The pinned maps have a layout that this interceptor does not know. Open connections continue;
    connections that are opened while the programs change are cut, and none after that."""
    interceptor, client, server = running
    maps_before = {each["name"]: each["id"] for each in interceptor.get("maps")["maps"]}
    with load_on(client, server, functools.partial(expect_few_cut, share=0.2)):
        interceptor.stop()
        [(_, settings)] = interceptor.dump_map("fsm_settings")
        other = int.from_bytes(settings[:4], "little") + 1
        interceptor.update_map("fsm_settings", bytes(4), other.to_bytes(4, "little") + settings[4:])
        interceptor.start()
    maps_after = {each["name"]: each["id"] for each in interceptor.get("maps")["maps"]}
    assert maps_after["fsm_pods"] != maps_before["fsm_pods"], "the maps were adopted nevertheless"
    expect_flawless(start_load(client, server, requests_per_connection=3, serve=False))
    expect_interception(client, server)
    expect_one_program_of_each(server, inbound)
    assert client.state()["state"] == server.state()["state"] == "in-mesh"


def test_pods_and_annotations_of_its_absence_are_made_up_for(make_mesh, inbound):
    mesh = make_mesh(inbound)
    client = mesh.member("client")
    client.start_sidecar()
    outsider = mesh.outsider("outsider")
    outsider.serve(8080)
    mesh.interceptor.kill()
    client.describe(**{"flomesh.io/outbound-port-exclusion-list": "8080"})
    mesh.interceptor.start()

    def passes():
        before = len(client.relay.reports("outbound"))
        client.call(ask, outsider.pod.ip4, 8080)
        return len(client.relay.reports("outbound")) == before

    eventually(passes, 15)


def test_map_entries_and_programs_stay_the_same_over_restarts(running):
    interceptor, _, _ = running
    eventually(lambda: interceptor.map_entries()["fsm_sockets"] == 0)  # of requests that have ended
    entries = interceptor.map_entries()
    names = sorted(program_ids(interceptor))
    for _ in range(3):
        interceptor.kill()
        interceptor.start()
    assert interceptor.map_entries() == entries
    assert sorted(program_ids(interceptor)) == names


def test_second_interceptor_beside_a_running_one_is_refused(running):
    interceptor, client, server = running
    second = interceptor.node.place.run(programs.INTERCEPTOR, "run", "--config",
                                        interceptor.configuration, check=False, timeout=20)
    assert second.returncode != 0
    assert interceptor.is_running
    interceptor.get("status")
    expect_interception(client, server)
