"""Addresses that a pod adds to its own interfaces, and what it can gain or break. It takes NET_ADMIN in
the pod's own namespace; keepalived, Multus and Docker in Docker do it without malice."""

import pytest

from harness.application import ask, connect_error
from harness.wait import eventually

PORT = 8080
# A repeated ADD checks the addresses at once; otherwise the next thorough pass does.
SHARED = "172.17.0.1"


@pytest.fixture
def victim(mesh):
    member = mesh.member("victim")
    member.start_sidecar()
    member.serve(PORT)
    return member


@pytest.fixture
def attacker(mesh):
    member = mesh.member("attacker")
    member.start_sidecar()
    member.serve(PORT)
    return member


def claim(member, address, device="lo"):
    prefix = "128" if ":" in address else "32"
    member.pod.root.run("ip", "address", "add", f"{address}/{prefix}", "dev", device,
                        *(["nodad"] if ":" in address else []))
    member.enrol()


def drop(member, address, device="lo"):
    prefix = "128" if ":" in address else "32"
    member.pod.root.run("ip", "address", "delete", f"{address}/{prefix}", "dev", device)
    member.enrol()


def expect_in_the_mesh(caller, victim, address):
    """The victim answers, through its own sidecar."""
    before = len(victim.relay.reports("inbound"))
    answer = caller.call(ask, address, PORT)
    assert answer["application"] == victim.pod.name
    assert len(victim.relay.reports("inbound")) == before + 1


@pytest.mark.also_iptables
@pytest.mark.parametrize("family", ["v4", "v6"])
@pytest.mark.parametrize("device", ["lo", "eth0"])
def test_address_of_another_pod_stays_that_pods(mesh, victim, attacker, family, device):
    """While the attacker has it, after it has dropped it, and after the attacker is gone."""
    caller = mesh.outsider("caller")
    address = victim.pod.address(family)
    expect_in_the_mesh(caller, victim, address)
    # On eth0 the attacker would answer ARP requests: preventing that is up to the network, not the
    # interception. The caller's neighbour entry stays as it is.
    caller.pod.root.run("ip", "neighbour", "replace", *neighbour_of(caller, address), "nud",
                        "permanent")
    claim(attacker, address, device)
    expect_in_the_mesh(caller, victim, address)
    victim.enrol()
    expect_in_the_mesh(caller, victim, address)
    drop(attacker, address, device)
    expect_in_the_mesh(caller, victim, address)
    claim(attacker, address, device)
    attacker.withdraw()
    expect_in_the_mesh(caller, victim, address)
    assert attacker.relay.reports("inbound") == []


def neighbour_of(caller, address):
    shown = caller.pod.root.run("ip", "neighbour", "show", address, "dev", "eth0").stdout.split()
    return address, "dev", "eth0", "lladdr", shown[shown.index("lladdr") + 1]


@pytest.mark.parametrize("family", ["v4", "v6"])
def test_second_claimant_is_named(mesh, victim, attacker, family):
    claim(attacker, victim.pod.address(family))

    def said():
        problems = " ".join(attacker.state()["problems"])
        return victim.pod.address(family) in problems

    eventually(said, 35)
    assert victim.state()["problems"] == []


@pytest.mark.also_iptables
def test_address_that_was_claimed_before_its_pod_is_that_pods(mesh, attacker):
    """A pod takes an address before the pod that gets it."""
    former = mesh.outsider("former")
    former.remove()
    claim(attacker, former.pod.ip4)
    victim = mesh.member("victim", like=former.pod)
    victim.start_sidecar()
    victim.serve(PORT)
    expect_in_the_mesh(mesh.outsider("caller"), victim, victim.pod.ip4)
    drop(attacker, victim.pod.ip4)
    expect_in_the_mesh(mesh.outsider("caller-again"), victim, victim.pod.ip4)


@pytest.mark.also_iptables
@pytest.mark.parametrize("enrolled_again", [False, True])
def test_address_of_its_own_is_intercepted_where_it_arrives(mesh, victim, enrolled_again):
    """A virtual address that is added later, as by keepalived; no event reports it."""
    caller = mesh.outsider("caller")
    virtual = "10.77.200.1"
    victim.pod.root.run("ip", "address", "add", f"{virtual}/16", "dev", "eth0")
    if enrolled_again:
        victim.enrol()
    expect_in_the_mesh(caller, victim, virtual)


@pytest.mark.also_iptables
def test_two_pods_with_one_bridge_address(mesh, victim, attacker):
    """As made by Docker in Docker. Each pod's own connections stay in it; those from behind its bridge
    reach its own sidecar, as under iptables; and the removal of one pod affects nothing else."""
    for member in (victim, attacker):
        member.pod.root.run("ip", "link", "add", "docker0", "type", "bridge")
        member.pod.root.run("ip", "address", "add", f"{SHARED}/16", "dev", "docker0")
        member.pod.root.run("ip", "link", "set", "docker0", "up")
        member.enrol()
    for member in (victim, attacker):
        assert member.call(ask, SHARED, PORT)["application"] == member.pod.name
        assert member.relay.reports() == []
    expect_in_the_mesh(mesh.outsider("caller"), victim, victim.pod.ip4)
    attacker.withdraw()
    assert victim.call(ask, SHARED, PORT)["application"] == "victim"
    expect_in_the_mesh(mesh.outsider("caller-again"), victim, victim.pod.ip4)
    assert victim.call(connect_error, SHARED, 1) != 0


@pytest.mark.also_iptables
def test_own_address_of_another_pod_as_source(mesh, victim, attacker):
    """The attacker calls its own loopback from the victim's address: the namespace decides to which pod a
    connection belongs, not its addresses."""
    claim(attacker, victim.pod.ip4)
    before = len(victim.relay.reports())
    attacker.pod.root.call(_try_from, victim.pod.ip4)
    assert len(victim.relay.reports()) == before


def _try_from(source):
    for address in ("127.0.0.1", "127.5.5.5"):
        for port in (15001, 15003, PORT):
            try:
                connect_error(address, port, (source, 0), timeout=1)
            except (TimeoutError, OSError):
                pass
