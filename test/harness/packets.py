"""Packets that no kernel sends by itself, for use inside a pod, as root."""

import ipaddress
import socket
import struct
import subprocess
import time

_SYN = 0x02
_DESTINATION_OPTIONS = 60
_IPV4, _IPV6, _TAG = 0x0800, 0x86dd, 0x8100  # ETH_P_…


def answer_to_syn(source, destination, port, shape="whole", timeout=1.0):
    """Sends a SYN in the given shape ("whole", "cut after 8", "cut after 16", "7 headers") and returns
    the answer: "SYN-ACK", "RST", or None."""
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    source_port = _source_port()
    segment = _syn(source, destination, source_port, port)
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP) as receiver, \
            socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
        receiver.settimeout(timeout)
        for packet in _packets(source, destination, segment, shape):
            sender.sendto(packet, (destination, 0))
        return _wait_for_answer(receiver, family, source_port, port)


def answer_to_frame(source, destination, port, timeout=1.0):
    """The same by a packet socket, which bypasses all rules; the destination must be on the link."""
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP) as receiver:
        receiver.settimeout(timeout)
        source_port = send_frame(source, destination, port, destination)
        return _wait_for_answer(receiver, family, source_port, port)


def send_frame(source, destination, port, link, tags=0):
    """Sends a SYN with any addresses to the neighbour that has the address `link`, from eth0, behind
    that many VLAN tags that name no VLAN. Returns the source port."""
    source_port = _source_port()
    packet = _ip(source, destination, _syn(source, destination, source_port, port))
    kind = _IPV6
    if ":" not in destination:
        kind = _IPV4
        packet = packet[:10] + struct.pack("!H", _checksum(packet[:20])) + packet[12:]
    for _ in range(tags):
        packet = struct.pack("!HH", 0, kind) + packet
        kind = _TAG
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(kind)) as sender:
        sender.sendto(packet, ("eth0", kind, 0, 0, _hardware_address_of(link)))
    return source_port


def _hardware_address_of(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", (address, 9))  # makes the kernel resolve the neighbour
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        shown = subprocess.run(["ip", "neighbour", "show", address], check=True, text=True,
                               capture_output=True).stdout.split()
        if "lladdr" in shown:
            return bytes.fromhex(shown[shown.index("lladdr") + 1].replace(":", ""))
        time.sleep(0.01)
    raise TimeoutError(f"{address} is no neighbour")


def _source_port():
    return 50000 + int(time.monotonic() * 1000) % 10000


def _syn(source, destination, source_port, port):
    header = struct.pack("!HHIIBBHHH", source_port, port, 1000, 0, 5 << 4, _SYN, 64000, 0, 0)
    pseudo = (ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
              + struct.pack("!II", len(header), socket.IPPROTO_TCP))
    checksum = _checksum(pseudo + header)
    return header[:16] + struct.pack("!H", checksum) + header[18:]


def _checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def _packets(source, destination, segment, shape):
    if shape == "whole":
        return [_ip(source, destination, segment)]
    if shape == "7 headers":
        return [_ip6(source, destination, _DESTINATION_OPTIONS,
                     _options(_DESTINATION_OPTIONS) * 6 + _options(socket.IPPROTO_TCP) + segment)]
    at = int(shape.rpartition(" ")[2])
    # The rest first: a program that inspects only the first fragment has the whole packet then.
    return [_ip4(source, destination, segment[at:], at // 8),
            _ip4(source, destination, segment[:at], 0x2000)]


def _ip(source, destination, payload):
    if ":" in destination:
        return _ip6(source, destination, socket.IPPROTO_TCP, payload)
    return _ip4(source, destination, payload, 0)


def _ip4(source, destination, payload, fragment):
    # The kernel fills in the checksum.
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 4711, fragment, 64,
                       socket.IPPROTO_TCP, 0) + socket.inet_aton(source) \
        + socket.inet_aton(destination) + payload


def _ip6(source, destination, following, payload):
    return struct.pack("!IHBB", 6 << 28, len(payload), following, 64) \
        + socket.inet_pton(socket.AF_INET6, source) \
        + socket.inet_pton(socket.AF_INET6, destination) + payload


def _options(following):
    return struct.pack("!BB", following, 0) + bytes([1, 4, 0, 0, 0, 0])  # PadN of four bytes


def _wait_for_answer(receiver, family, source_port, port):
    deadline = time.monotonic() + receiver.gettimeout()
    while time.monotonic() < deadline:
        try:
            packet = receiver.recv(2048)
        except TimeoutError:
            return None
        # IPv4 raw sockets return the IP header, IPv6 ones do not.
        segment = packet[(packet[0] & 15) * 4:] if family == socket.AF_INET else packet
        from_port, to_port = struct.unpack("!HH", segment[:4])
        if (from_port, to_port) == (port, source_port):
            return "RST" if segment[13] & 0x04 else "SYN-ACK"
    return None
