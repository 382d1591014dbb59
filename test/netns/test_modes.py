"""trafficInterceptionMode: the rules of mode iptables are the meshes' own, mode none intercepts nothing,
and a node that changes its mode ends with exactly one mechanism, without a connection that bypasses the
sidecar."""

import errno
import os
import re
import socket
import subprocess

import pytest

from harness import programs
from harness.application import Conversation, ask, handshakes_held
from harness.cni import CniFailure
from harness.load import expect_few_cut, expect_flawless, start_load
from harness.mesh import INBOUND_ANNOTATION, POD_OF
from harness.wait import eventually
from test_interceptor_lifecycle import expect_interception, load_on

RECONCILED = 15
THOROUGHLY_RECONCILED = 45
RESET_WITHIN = 20
# The chains that both have; the mesh's redirect chain has another name here.
OURS, MESH = "FSM_", "MESH_"
LISTS = {
    "fsm": ({"flomesh.io/outbound-port-exclusion-list": "8081,9000",
             "flomesh.io/inbound-port-exclusion-list": "9901",
             "flomesh.io/outbound-ip-range-exclusion-list": "10.1.0.0/16,10.9.9.9/32"},
            ["--exclude-outbound-ports", "8081,9000", "--exclude-inbound-ports", "9901",
             "--exclude-outbound-ranges", "10.1.0.0/16,10.9.9.9/32"]),
    "istio": ({"traffic.sidecar.istio.io/includeOutboundPorts": "80,443",
               "traffic.sidecar.istio.io/includeOutboundIPRanges": "10.0.0.0/8",
               "traffic.sidecar.istio.io/includeInboundPorts": "8080"},
              ["--include-outbound-ports", "80,443", "--include-outbound-ranges", "10.0.0.0/8",
               "--include-inbound-ports", "8080"]),
    "kuma": ({"traffic.kuma.io/exclude-outbound-ports": "3306",
              "traffic.kuma.io/exclude-inbound-ports": "8443"},
             ["--exclude-outbound-ports", "3306", "--exclude-inbound-ports", "8443"]),
}


def saved(pod, prefix, tool="iptables"):
    """The rules of chains with this prefix, as listed by the kernel, without the prefix."""
    text = pod.root.run(f"{tool}-save", "-t", "nat").stdout
    return [line.replace(prefix, "") for line in text.splitlines()
            if line.startswith("-A ") and prefix in line]


def comparable(rules, broadcast):
    """Chains may be printed in any order, and so may the ports that a mesh excludes."""
    rules = [rule for rule in rules if rule != f"-A OUTPUT -d {broadcast}/32 -j RETURN"]
    # The one intended difference: connections that were already open are not redirected.
    rules = [rule.replace(" -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", "") for rule in rules]
    # FSM accepts what its outbound chain has decided to redirect; our rules exclude it earlier.
    if "-A REDIRECT -p tcp -m tcp --dport 15000 -j ACCEPT" in rules:
        rules.remove("-A REDIRECT -p tcp -m tcp --dport 15000 -j ACCEPT")
        last = rules.index("-A OUTPUT -p tcp -j REDIRECT")
        rules.insert(last, "-A OUTPUT -p tcp -m tcp --dport 15000 -j RETURN")
    chains = {}
    for rule in rules:
        chains.setdefault(rule.split()[1], []).append(rule)
    return {chain: _runs_of_one_verdict(listed) for chain, listed in chains.items()}


def _runs_of_one_verdict(rules):
    """Rules that only list ports or ranges for one verdict are equal in any order."""
    runs = []
    for rule in rules:
        kind = re.sub(r"(--dport |-d )\S+", r"\1…", rule)
        if "owner" not in kind and runs and runs[-1][0] == kind:
            runs[-1][1].append(rule)
        else:
            runs.append((kind, [rule]))
    return [sorted(listed) for _, listed in runs]


@pytest.mark.parametrize("profile", POD_OF)
@pytest.mark.parametrize("lists", [False, True], ids=["plain", "with lists"])
def test_rules_are_those_of_the_mesh(make_mesh, profile, lists):
    mesh = make_mesh("iptables", profile=profile)
    known = POD_OF[profile]
    annotations, options = LISTS[profile] if lists else ({}, [])
    member = mesh.member("server", **{**known, "more_annotations": {**known["more_annotations"],
                                                                    **annotations}})
    other = mesh.stranger("baseline")
    other.pod.root.run(programs.IPTABLES_MESH, "install", "--profile", profile, *options)

    ours = comparable(saved(member.pod, OURS), "10.77.255.255")
    theirs = comparable(saved(other.pod, MESH), "10.77.255.255")

    assert ours.keys() == theirs.keys()
    for chain, rules in theirs.items():
        assert ours[chain] == rules, chain


def test_ipv6_rules_are_those_of_the_mesh(make_mesh, tmp_path):
    text = (programs.REPOSITORY / "profiles/kuma.yaml").read_text()
    (tmp_path / "kuma.yaml").write_text(text.replace("ipv6: when_listening", "ipv6: always"))
    mesh = make_mesh("iptables", profile="kuma", profilesDirectory=str(tmp_path))
    member = mesh.member("server", **POD_OF["kuma"])
    other = mesh.stranger("baseline")
    other.pod.root.run(programs.IPTABLES_MESH, "install", "--profile", "kuma", "--inbound6", 15010)

    assert (comparable(saved(member.pod, OURS, "ip6tables"), "")
            == comparable(saved(other.pod, MESH, "ip6tables"), ""))


# ---- mode iptables by itself ----


@pytest.fixture
def running(make_mesh):
    mesh = make_mesh("iptables")
    client, server = mesh.pair(8080)
    expect_interception(client, server)
    return mesh, client, server


def expect_rules(member, expected=True):
    """Chains that are used: others only keep open connections working."""
    def led_to(tool="iptables"):
        return [rule for rule in saved(member.pod, OURS, tool) if not rule.startswith("-A TRACKING")]

    assert bool(led_to()) == expected
    if not expected:
        assert not led_to("ip6tables")


def expect_nothing_of_ours(member):
    """Not even an empty chain."""
    for tool in ("iptables", "ip6tables"):
        assert OURS not in member.pod.root.run(f"{tool}-save", "-t", "nat").stdout


def expect_no_bpf(mesh):
    attached = mesh.node.place.run("bpftool", "cgroup", "show", mesh.node.pod_cgroup).stdout
    assert "fsm_" not in attached
    assert not list(mesh.interceptor.bpffs.rglob("*"))


def test_no_bpf_is_loaded_and_the_status_says_what_works(running):
    mesh, _, server = running
    expect_no_bpf(mesh)
    status = mesh.interceptor.get("status")
    assert status["trafficInterceptionMode"] == "iptables"
    assert "iptables" in status["automaticAcceleration"]["reason"]
    assert status["capabilities"][0]["works"], status["capabilities"]
    assert status["problems"] == []
    assert server.state()["inbound"] == "iptables"
    assert server.state()["acceleration"] == "off"
    assert mesh.interceptor.counters()["iptables_applied"] >= 2


def test_kernel_without_bpf_and_cookies_will_do(make_mesh, monkeypatch, tmp_path):
    wrapper = tmp_path / "fsm-interceptor"
    wrapper.write_text(f"#!/bin/sh\nexec {programs.REPOSITORY}/test/harness/old_kernel.py "
                       f"{programs.INTERCEPTOR} \"$@\"\n")
    wrapper.chmod(0o755)
    monkeypatch.setattr(programs, "INTERCEPTOR", wrapper)
    mesh = make_mesh("iptables")
    client, server = mesh.pair(8080)
    expect_interception(client, server)
    assert server.state()["netnsCookie"] >= 1 << 63
    mesh.interceptor.restart()
    mesh.interceptor.cni.check(server.pod)
    server.withdraw()
    expect_rules(server, expected=False)


def test_rules_stay_while_the_interceptor_is_away_and_annotations_are_made_up_for(running):
    mesh, client, server = running
    before = saved(server.pod, OURS)
    with load_on(client, server):
        mesh.interceptor.kill()
        expect_interception(client, server)
        client.describe(**{"flomesh.io/outbound-port-exclusion-list": "9999"})
        mesh.interceptor.start()
    expect_interception(client, server)
    assert saved(server.pod, OURS) == before
    assert any("--dport 9999 -j RETURN" in rule for rule in saved(client.pod, OURS))
    assert client.state()["state"] == server.state()["state"] == "in-mesh"


def test_rules_that_somebody_took_away_are_named_and_put_back(running):
    mesh, client, server = running
    server.pod.root.run("iptables", "-t", "nat", "-F", "PREROUTING")
    with pytest.raises(CniFailure, match="-j FSM_INBOUND.* is gone"):
        mesh.interceptor.cni.check(server.pod)
    eventually(lambda: saved(server.pod, OURS)[0].startswith("-A PREROUTING"),
               THOROUGHLY_RECONCILED)
    mesh.interceptor.cni.check(server.pod)
    expect_interception(client, server)


def test_connections_that_are_open_when_a_pod_is_enrolled_go_on(make_mesh):
    """They are not tracked before there are rules; the next packet of each is the first that is
    tracked."""
    mesh = make_mesh("iptables")
    server = mesh.member("server", enrol=False)
    server.start_sidecar()
    server.serve(8080)
    client = mesh.stranger("client")
    load = start_load(client, server, connections=3)
    eventually(lambda: "ESTAB" in client.pod.root.run("ss", "-Htn").stdout)
    server.enrol()
    expect_flawless(load)
    assert client.call(ask, server.pod.ip4, 8080)["peer"] == "127.0.0.6"


def test_pod_that_is_gone_is_forgotten(running):
    mesh, _, server = running
    server.stop_processes()
    server.pod.delete()
    eventually(lambda: server.state() is None, RECONCILED)
    eventually(lambda: len(list((mesh.interceptor.state / "iptables").iterdir())) == 1)


def test_withdrawn_pod_is_no_longer_intercepted(running):
    mesh, client, server = running
    server.withdraw()
    expect_rules(server, expected=False)
    outsider = mesh.stranger("outsider")
    assert outsider.call(ask, server.pod.ip4, 8080)["peer"] == outsider.pod.ip4
    expect_rules(client)


def test_uninstall_removes_the_rules_of_living_pods(running):
    mesh, client, server = running
    mesh.interceptor.stop()
    mesh.interceptor.uninstall()
    expect_nothing_of_ours(client)
    expect_nothing_of_ours(server)
    assert not mesh.interceptor.state.exists()


def test_without_iptables_it_does_not_start_and_says_what_to_install(make_mesh):
    mesh = make_mesh(None)
    mesh.interceptor.stop()
    result = subprocess.run(
        [programs.INTERCEPTOR, "run", "--config", mesh.interceptor.configuration,
         "--traffic-interception-mode", "iptables"],
        env={**os.environ, "PATH": "/nowhere"}, capture_output=True, text=True, timeout=30,
        check=False)
    assert result.returncode == 1
    assert "Install Debian's package iptables" in result.stderr


# ---- mode none ----


def test_mode_none_lets_every_pod_pass_and_waits_for_nobody(make_mesh):
    mesh = make_mesh(None, trafficInterceptionMode="none", unknownPods="refuse",
                     podSource={"directory": "/does/not/exist"})
    server = mesh.member("server")
    server.serve(8080)
    client = mesh.stranger("client")
    assert mesh.interceptor.cni.add(client.pod)[1] < 2
    assert client.call(ask, server.pod.ip4, 8080)["peer"] == client.pod.ip4
    expect_no_bpf(mesh)
    expect_rules(server, expected=False)
    assert server.state()["state"] == "unknown"
    assert mesh.interceptor.get("status")["problems"] == []


# ---- one mode after another ----


def in_mode(mesh, mode):
    mesh.interceptor.restart(trafficInterceptionMode=mode)


def expect_one_mechanism(mesh, mode, *members):
    """After the handover: a pass removes the rest of the other mechanism."""
    def is_over():
        listed = list((mesh.interceptor.state / "iptables").glob("*"))
        pins = list(mesh.interceptor.bpffs.rglob("*"))
        return (bool(listed), bool(pins)) == (mode == "iptables", mode == "ebpf")

    eventually(is_over, THOROUGHLY_RECONCILED)
    for member in members:
        expect_rules(member, expected=mode == "iptables")
    if mode == "iptables":
        expect_no_bpf(mesh)


@pytest.mark.parametrize("inbound", ["sk_lookup", "tc"], indirect=True)
def test_from_one_mode_to_the_other_and_back(make_mesh, inbound):
    mesh = make_mesh(inbound, acceleration="sidecar")
    client, server = mesh.pair(8080)
    expect_interception(client, server)

    for mode in ("iptables", "ebpf"):
        fresh = start_load(client, server, requests_per_connection=1, connections=2,
                           serve=mode == "iptables")
        in_mode(mesh, mode)
        expect_one_mechanism(mesh, mode, client, server)
        if inbound == "tc":
            # Connections that lost their translation are reset.
            expect_few_cut(fresh)
        else:
            expect_flawless(fresh)
            assert (len(client.relay.reports("outbound")) == len(server.relay.reports("inbound"))
                    ), "some went past the client's sidecar, or not all came to the server's"
        eventually(lambda: expect_interception(client, server) or True, RECONCILED)
        mechanism = "iptables" if mode == "iptables" else inbound
        eventually(lambda: server.state()["inbound"] == mechanism)
        programs = 2 if (mode, inbound) == ("ebpf", "tc") else 0
        eventually(lambda: len(server.pod.programs_on_interface()) == programs)


@pytest.mark.parametrize("before, after", [("iptables", "ebpf"), ("ebpf", "iptables")])
def test_connection_that_is_open_when_the_mode_changes_goes_on(make_mesh, before, after):
    mesh = make_mesh("iptables" if before == "iptables" else "sk_lookup")
    client, server = mesh.pair(8080)
    ours, theirs = socket.socketpair()

    def talk(address):
        with Conversation(address, 8080) as conversation:
            conversation.ask()
            theirs.sendall(b"+")
            theirs.recv(1)
            return conversation.echo()

    talking = [client.keep(client.pod.application.spawn(talk, server.pod.address(family)))
               for family in ("v4", "v6")]
    for _ in talking:
        assert ours.recv(1) == b"+"
    in_mode(mesh, after)
    expect_one_mechanism(mesh, after, client, server)
    ours.sendall(b"+" * len(talking))
    assert all(task.result() for task in talking)
    ours.close()
    theirs.close()


def wait_for_reset(address, port, ready):
    """Sends one request, reports that, and waits for the other end."""
    with Conversation(address, port, timeout=RESET_WITHIN) as conversation:
        conversation.ask()
        ready.sendall(b"+")
        try:
            return conversation.socket.recv(1)
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error))


def expect_reset(client, server, change, port=8080):
    """For a connection of each family that the change cuts: its client waits, and sends nothing."""
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    waiting = [client.keep(client.pod.application.spawn(wait_for_reset, server.pod.address(family),
                                                        port, theirs))
               for family in ("v4", "v6")]
    for _ in waiting:
        assert ours.recv(1) == b"+"
    change()
    assert [task.result() for task in waiting] == ["ECONNRESET"] * 2
    ours.close()
    theirs.close()


@pytest.mark.parametrize("before, after", [("iptables", "ebpf"), ("ebpf", "iptables")])
def test_connection_that_a_change_of_mode_with_tc_cuts_is_reset(make_mesh, before, after):
    """An end that only waits would wait for ever."""
    mesh = make_mesh("iptables" if before == "iptables" else "tc")
    mesh.defaults[INBOUND_ANNOTATION] = "tc"
    client, server = mesh.pair(8080)
    expect_reset(client, server, lambda: in_mode(mesh, after))
    expect_interception(client, server)


def test_uninstall_resets_what_rules_have_redirected(make_mesh):
    mesh = make_mesh("iptables")
    client, server = mesh.pair(8080)
    mesh.interceptor.stop()
    expect_reset(client, server, mesh.interceptor.uninstall)


def test_pod_that_was_redirected_by_rules_is_left_alone_by_uninstall(make_mesh):
    mesh = make_mesh("iptables")
    _, server = mesh.pair(8080)
    in_mode(mesh, "ebpf")
    expect_one_mechanism(mesh, "ebpf", server)
    mesh.interceptor.stop()
    mesh.interceptor.uninstall()
    expect_nothing_of_ours(server)
    assert not mesh.interceptor.state.exists()


def test_connection_that_is_being_made_while_the_mode_changes_arrives(make_mesh):
    """The removed mechanism redirected the connection, and the sidecar queries its destination
    afterwards."""
    mesh = make_mesh("sk_lookup")
    client, server = mesh.pair(8080)
    expect_interception(client, server)
    asked = len(client.relay.reports("outbound"))

    with handshakes_held(client.pod, "lo"):
        task = client.keep(client.pod.application.spawn(ask, server.pod.ip4, 8080, None, 20))
        eventually(lambda: client.pod.root.run("ss", "-Htn", "state", "syn-sent").stdout)
        in_mode(mesh, "iptables")

    assert task.result()["peer"] == "127.0.0.6"
    [report] = client.relay.reports("outbound")[asked:]
    assert report["original_dst"] == f"{server.pod.ip4}:8080"


def test_pod_that_nobody_enrols_again_keeps_the_mechanism_that_it_has(make_mesh):
    mesh = make_mesh("sk_lookup")
    server = mesh.member("server")
    server.start_sidecar()
    server.serve(8080)
    outsider = mesh.stranger("outsider")
    mesh.interceptor.stop()
    mesh.interceptor.remove_manifest(server.pod)
    in_mode(mesh, "iptables")
    expect_rules(server, expected=False)
    assert outsider.call(ask, server.pod.ip4, 8080)["peer"] == "127.0.0.6"

    server.describe()

    expect = lambda: expect_one_mechanism(mesh, "iptables", server)  # noqa: E731
    eventually(lambda: expect() or True, RECONCILED)
    assert outsider.call(ask, server.pod.ip4, 8080)["peer"] == "127.0.0.6"


@pytest.mark.parametrize("before", ["ebpf", "iptables"])
def test_mode_none_takes_away_what_an_earlier_mode_made(make_mesh, before):
    mesh = make_mesh("iptables" if before == "iptables" else "sk_lookup")
    server = mesh.member("server")
    server.start_sidecar()
    server.serve(8080)
    outsider = mesh.stranger("outsider")
    assert outsider.call(ask, server.pod.ip4, 8080)["peer"] == "127.0.0.6"

    in_mode(mesh, "none")
    assert outsider.call(ask, server.pod.ip4, 8080)["peer"] == outsider.pod.ip4
    expect_one_mechanism(mesh, "none", server)

    in_mode(mesh, before)
    assert outsider.call(ask, server.pod.ip4, 8080)["peer"] == "127.0.0.6"
