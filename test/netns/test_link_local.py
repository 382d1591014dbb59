"""IPv6 link-local addresses, which every interface has in addition to its others."""

import socket

import pytest

from harness.wait import eventually

PORT = 8099
SHARED = "fe80::77"


def link_local(member):
    def find():
        shown = member.pod.root.run("ip", "-6", "-oneline", "address", "show", "dev", "eth0", "scope",
                                    "link", "-tentative").stdout
        return [line.split()[3].partition("/")[0] for line in shown.splitlines()]
    return eventually(find)[0]


def somebody_accepts(address):
    with socket.socket(socket.AF_INET6) as client:
        client.settimeout(5)
        try:
            client.connect((address, PORT, 0, socket.if_nametoindex("eth0")))
        except ConnectionRefusedError:
            return False
        except ConnectionResetError:
            pass  # by the sidecar, because its onward connection is refused
        return True


@pytest.mark.also_iptables
def test_connection_comes_to_the_sidecar(mesh):
    """No other socket listens on that port."""
    server, outsider = mesh.member("server", enrol=False), mesh.outsider("outsider")
    address, source = link_local(server), link_local(outsider)
    server.enrol()
    server.start_sidecar()
    assert outsider.call(somebody_accepts, address)
    [report] = eventually(lambda: server.relay.reports("inbound"))
    index = server.call(socket.if_nametoindex, "eth0")
    assert report["original_dst"] == f"[{address}%{index}]:{PORT}"
    assert report["getpeername"].startswith(f"[{source}%{index}]:")


def share_an_address(mesh, *names):
    pods = [mesh.member(name, enrol=False) for name in names]
    for member in pods:
        member.pod.root.run("ip", "address", "add", f"{SHARED}/64", "dev", "eth0", "nodad")
        member.enrol()
        member.start_sidecar()
    return pods


def test_address_of_two_pods_leads_to_the_sidecar_of_the_one_that_it_reaches(mesh):
    """Each pod is identified by its network namespace: no connection reaches the other pod's sidecar, and
    none bypasses both."""
    first, second = share_an_address(mesh, "first", "second")
    outsider = mesh.outsider("outsider")
    for here, elsewhere in ((first, second), (second, first)):
        before = len(elsewhere.relay.reports("inbound"))
        elsewhere.pod.root.run("ip", "link", "set", "eth0", "down")
        outsider.pod.root.run("ip", "-6", "neigh", "flush", "all")
        assert eventually(lambda: outsider.call(somebody_accepts, SHARED))
        assert eventually(lambda: here.relay.reports("inbound"))
        assert len(elsewhere.relay.reports("inbound")) == before
        elsewhere.pod.root.run("ip", "link", "set", "eth0", "up")
        elsewhere.pod.root.run("ip", "address", "replace", f"{SHARED}/64", "dev", "eth0", "nodad")
