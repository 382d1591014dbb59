"""Attempts of a process in a pod of the mesh to connect past the sidecar. docs/security.md names these
tests; if an attempt succeeds, the test asserts that, so that the document stays true."""

import array
import errno
import os
import pathlib
import socket

import pytest

from harness import attacks, packets
from harness.application import ask, connect_error, listen
from harness.mesh import POD_OF
from harness.node import Netns, ip
from harness.place import Place, enter_netns
from harness.wait import eventually

PORT = 8080


def answer_of(connect, *arguments):
    """Connects in the caller's process and sends a request. Returns the result of getpeername()."""
    connection = connect(*arguments)
    try:
        assert "application" in attacks.ask_on(connection)
        return connection.getpeername()[:2]
    finally:
        connection.close()


def is_intercepted(client, connect, *arguments, place=None):
    """Whether the connection that the function opens goes to the client's sidecar, with its original
    destination. It must work in either case."""
    before = len(client.relay.reports("outbound"))
    (place or client.pod.application).call(answer_of, connect, *arguments)
    new = client.relay.reports("outbound")[before:]
    address, port = arguments[-2:]
    assert [report["original_dst"] for report in new] in ([], [f"{address}:{port}"])
    return bool(new)


@pytest.fixture
def target(mesh):
    """The destinations of the connections, outside of the mesh."""
    server = mesh.outsider("server")
    server.serve(PORT)
    return server.pod.ip4, PORT


@pytest.fixture
def client(mesh):
    member = mesh.member("client")
    member.start_sidecar()
    return member


# ---- every way to connect ----


# Under iptables, too: both must intercept the same.
@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
@pytest.mark.parametrize("way", attacks.OUTBOUND)
def test_no_way_to_connect_leads_around_the_sidecar(client, target, way):
    assert is_intercepted(client, attacks.OUTBOUND[way], *target)


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
def test_socket_bound_to_an_interface_reaches_nobody_past_the_sidecar(client, target):
    """The listener of the sidecar cannot be reached through that interface, so the connection fails, as
    under iptables."""
    before = len(client.relay.reports())

    def attempt():
        try:
            return answer_of(attacks.bound_to_an_interface, *target)
        except OSError as error:
            return type(error).__name__

    outcome = client.call(attempt)
    assert outcome == "BlockingIOError", "SO_SNDTIMEO has ended it"
    assert len(client.relay.reports()) == before


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
@pytest.mark.parametrize("address", ["0.0.0.0", "::", "::ffff:0.0.0.0"])
def test_unspecified_address_is_the_pod_itself(client, target, address):
    client.serve(PORT)
    assert client.call(ask, address, PORT)["application"] == "client"
    assert client.relay.reports("outbound") == []


# ---- who is the sidecar ----


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
def test_uid_of_the_sidecar_is_believed(client, target):
    """In an unknown container: see test_security_identity.py for known ones."""
    sidecar = client.pod.root.as_user(client.uid)
    assert not is_intercepted(client, attacks.plain, *target, place=sidecar)


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
@pytest.mark.parametrize("connect", ["plain", "io_uring's worker", "MPTCP"])
def test_root_is_not_the_sidecar(client, target, connect):
    assert is_intercepted(client, attacks.OUTBOUND[connect], *target, place=client.pod.root)


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
def test_socket_that_is_given_the_sidecars_uid_is_not_the_sidecars(client, target):
    """fchown() requires CAP_CHOWN, which a container may have that may not change its user."""
    assert is_intercepted(client, attacks.given_to, client.uid, *target, place=client.pod.root)


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
def test_gid_counts_as_the_process_has_it_and_not_its_groups(make_mesh, inbound):
    mesh = make_mesh(inbound, profile="istio")
    client = mesh.member("client", **POD_OF["istio"])
    client.start_sidecar(inbound=15006)
    server = mesh.outsider("server")
    server.serve(PORT)
    uid = POD_OF["istio"]["uid"]
    root = client.pod.root
    target = server.pod.ip4, PORT
    assert is_intercepted(client, attacks.with_groups, uid, *target, place=root)
    assert not is_intercepted(client, attacks.with_gid, uid, *target, place=root)


# ---- what is not TCP by a socket ----


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
def test_datagrams_go_past_the_sidecar(client, mesh):
    """UDP, UDP-Lite, and with them QUIC: as under iptables, and like any protocol but TCP."""
    server = mesh.outsider("other")

    def echo(protocol):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, protocol) as made:
            made.bind(("0.0.0.0", PORT))
            made.settimeout(10)
            data, peer = made.recvfrom(100)
            made.sendto(data, peer)
            return peer[0]

    def ask_once(protocol, address):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, protocol) as made:
            made.settimeout(0.2)
            for _ in range(25):
                try:
                    made.sendto(b"question", (address, PORT))
                    return made.recv(100)
                except (TimeoutError, ConnectionRefusedError):
                    pass
        return None

    for protocol in (socket.IPPROTO_UDP, 136):  # UDP-Lite
        task = server.keep(server.pod.application.spawn(echo, protocol))
        assert client.call(ask_once, protocol, server.pod.ip4) == b"question"
        assert task.result() == client.pod.ip4
    assert client.relay.reports() == []


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
def test_raw_sockets_need_a_capability_and_go_past_the_sidecar(client, target):
    """CAP_NET_RAW is enough to write whole frames, which no iptables rule sees either."""
    for attempt in (packets.answer_to_syn, packets.answer_to_frame):
        arguments = (attempt, client.pod.ip4, *target)
        with pytest.raises(PermissionError):
            client.call(*arguments)
        assert client.pod.root.call(*arguments) == "SYN-ACK"
    assert client.relay.reports() == []


# ---- time and place ----


@pytest.mark.parametrize("inbound", ["sk_lookup", "tc", "iptables"], indirect=True)
def test_sockets_made_before_the_enrolment(mesh, target):
    """New connections of an old socket are intercepted, and those to an old listener; existing
    connections continue unchanged."""
    client = mesh.member("client", enrol=False)
    ours, theirs = socket.socketpair()

    def live():
        connected = attacks.plain(*target)
        fresh, bound = attacks.tcp_socket(), attacks.tcp_socket()
        bound.bind((client.pod.ip4, 0))
        with listen("0.0.0.0", 8090) as listener:
            listener.settimeout(10)
            theirs.sendall(b"+")
            theirs.recv(1)
            for made in (fresh, bound):
                made.connect(target)
                assert "application" in attacks.ask_on(made)
            assert "application" in attacks.ask_on(connected)
            theirs.sendall(b"+")
            accepted, peer = listener.accept()
            accepted.close()
            return peer[0]

    task = client.keep(client.pod.application.spawn(live))
    assert ours.recv(1) == b"+"
    client.enrol()
    client.start_sidecar()
    ours.sendall(b"+")
    assert ours.recv(1) == b"+"
    assert [each["original_dst"] for each in client.relay.reports("outbound")] == \
        [f"{target[0]}:{target[1]}"] * 2
    assert mesh.outsider("caller").call(connect_error, client.pod.ip4, 8090) == 0
    assert task.result() == "127.0.0.6"
    ours.close()
    theirs.close()


def hand_over(channel, made):
    channel.sendmsg([b"+"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                              array.array("i", [made.fileno()]))])


def take_over(channel):
    _, ancillary, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(4))
    [(_, _, data)] = ancillary
    return socket.socket(fileno=array.array("i", data[:4])[0])


def connect_by_another(maker, user, target):
    """A socket that one pod creates and another one connects, passed by SCM_RIGHTS."""
    there, here = socket.socketpair()

    def give():
        hand_over(there, attacks.tcp_socket())
        there.recv(1)

    def use():
        with take_over(here) as made:
            made.connect(target)
            answer = attacks.ask_on(made)
            here.sendall(b"+")
            return answer

    giving = maker.spawn(give)
    try:
        assert "application" in user.call(use)
        giving.result()
    finally:
        giving.stop()
        there.close()
        here.close()


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
def test_socket_belongs_to_the_pod_that_made_it(mesh, client, target):
    """Passed to another pod, it still goes to the sidecar of the first. The other way round it connects
    from the other pod, which is not in the mesh: two pods that share a Unix socket can do that."""
    other = mesh.outsider("other")
    connect_by_another(client.pod.application, other.pod.application, target)
    assert len(client.relay.reports("outbound")) == 1
    connect_by_another(other.pod.application, client.pod.application, target)
    assert len(client.relay.reports("outbound")) == 1


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
def test_process_that_moves_to_another_namespace_leaves_its_sockets_behind(mesh, client, target):
    other = mesh.outsider("other")

    def move(path):
        before = attacks.tcp_socket()
        enter_netns(path)
        for made in (before, attacks.tcp_socket()):
            made.connect(target)
            assert "application" in attacks.ask_on(made)

    client.pod.root.call(move, other.pod.netns.path)
    assert len(client.relay.reports("outbound")) == 1
    other.pod.root.call(move, client.pod.netns.path)
    assert len(client.relay.reports("outbound")) == 2


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
def test_cgroup_within_the_pods_makes_no_difference(client, target):
    nested = pathlib.Path(client.pod.root.cgroup) / "nested" / "deeper"
    nested.mkdir(parents=True)
    place = Place(client.pod.netns.path, nested, client.pod.application.uid)
    assert is_intercepted(client, attacks.plain, *target, place=place)


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
def test_namespace_of_an_unprivileged_process_reaches_nobody(client, target):
    def attempt(address, port):
        attacks.unshare(attacks.CLONE_NEWUSER | attacks.CLONE_NEWNET)
        return connect_error(address, port)

    assert client.call(attempt, *target) == errno.ENETUNREACH
    assert client.relay.reports() == []


@pytest.mark.parametrize("inbound", ["sk_lookup", "tc"], indirect=True)
def test_containers_within_a_pod_are_not_intercepted(mesh, client, target):
    """Docker in Docker: a namespace behind a bridge of the pod, whose packets the pod forwards. It takes
    NET_ADMIN. (The meshes' iptables rules redirect such packets to the inbound listener.)"""
    inner = Netns(f"{client.pod.netns.name}-inner").create()
    try:
        root = client.pod.root
        root.run("ip", "link", "add", "docker0", "type", "bridge")
        root.run("ip", "address", "add", "172.17.0.1/16", "dev", "docker0")
        root.run("ip", "link", "set", "docker0", "up")
        root.run("ip", "link", "add", "inner0", "type", "veth", "peer", "name", "eth0", "netns",
                 inner.name)
        root.run("ip", "link", "set", "inner0", "master", "docker0", "up")
        root.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        root.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "172.17.0.0/16", "-o", "eth0",
                 "-j", "MASQUERADE")
        for command in ("addr add 172.17.0.2/16 dev eth0", "link set eth0 up",
                        "route add default via 172.17.0.1"):
            ip(*command.split(), netns=inner.name)
        client.enrol()
        place = Place(inner.path, root.cgroup, 1000)
        answer = place.call(ask, *target)
        assert answer["peer"] == client.pod.ip4
        assert client.relay.reports() == []
    finally:
        inner.delete()


# ---- what the sidecar observes, and where it listens ----


@pytest.mark.parametrize("inbound", ["sk_lookup", "tc", "iptables"], indirect=True)
@pytest.mark.parametrize("port", [15001, 15003])
def test_original_destination_cannot_be_forged(client, port):
    """A direct call to a listener of the sidecar is distinguished from a redirected one: the sidecar gets
    that address, and no other."""
    for address in ("127.0.0.1", "127.5.5.5", client.pod.ip4, "::1", client.pod.ip6):
        before = len(client.relay.reports())
        assert client.call(connect_error, address, port) in (0, errno.ECONNRESET)
        [report] = eventually(lambda seen=before: client.relay.reports()[seen:])
        shown = f"[{address}]" if ":" in address else address
        assert report["original_dst"] in (f"{shown}:{port}", "ENOENT", "ENOPROTOOPT"), address


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
def test_port_of_the_sidecar_cannot_be_shared_by_another_user(mesh):
    member = mesh.member("client")
    member.start_sidecar("relay", "--reuse-port")

    def bind(address, port):
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            made.setsockopt(socket.SOL_SOCKET, option, 1)
        try:
            made.bind((address, port))
            made.listen(1)
            return "listens"
        except OSError as error:
            return error.errno
        finally:
            made.close()

    for port in (15001, 15003):
        for address in ("0.0.0.0", "127.0.0.1", member.pod.ip4, "::", member.pod.ip6):
            assert member.call(bind, address, port) == errno.EADDRINUSE, (address, port)
