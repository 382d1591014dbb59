"""Ways in which a process in a pod could try to open a connection past the sidecar. Each of OUTBOUND
takes an IPv4 address and a port, and returns a connected socket, or raises."""

import ctypes
import os
import socket
import struct

from harness import io_uring
from harness.application import listen

TIMEOUT = 5
MPTCP = 262
_IP_FREEBIND = 15
_TCP_FASTOPEN_CONNECT = 30
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_DUMPABLE = 4

_libc = ctypes.CDLL(None, use_errno=True)


def tcp_socket(family=socket.AF_INET, protocol=socket.IPPROTO_TCP):
    """A blocking socket: Python implements a timeout by a non-blocking one."""
    made = socket.socket(family, socket.SOCK_STREAM, protocol)
    for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
        made.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", TIMEOUT, 0))
    return made


def ask_on(connection):
    """The first line of the conversation with an Application (application.py)."""
    connection.sendall(b"who are you?\n")
    with connection.makefile("r") as lines:
        return lines.readline()


# ---- outbound ----


def plain(address, port):
    made = tcp_socket()
    made.connect((address, port))
    return made


def mapped(address, port):
    made = tcp_socket(socket.AF_INET6)
    made.connect((f"::ffff:{address}", port))
    return made


def bound_to_an_interface(address, port):
    made = tcp_socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    made.connect((address, port))
    return made


def fast_open(address, port, protocol=socket.IPPROTO_TCP):
    """The first send connects."""
    made = tcp_socket(protocol=protocol)
    made.sendto(b"I ask: ", socket.MSG_FASTOPEN, (address, port))
    return made


def fast_open_later(address, port):
    made = tcp_socket()
    made.setsockopt(socket.IPPROTO_TCP, _TCP_FASTOPEN_CONNECT, 1)
    made.connect((address, port))
    return made


def mptcp(address, port):
    made = tcp_socket(protocol=MPTCP)
    made.connect((address, port))
    return made


def mptcp_fast_open(address, port):
    return fast_open(address, port, MPTCP)


def by_io_uring(address, port):
    made = tcp_socket()
    io_uring.connect(made, address, port)
    return made


def by_a_worker_of_io_uring(address, port):
    made = tcp_socket()
    io_uring.connect(made, address, port, by_worker=True)
    return made


def after_loopback(address, port):
    """A socket that was connected within the pod before, where nothing is intercepted."""
    made = tcp_socket()
    with listen("127.0.0.1", 0) as listener:
        made.connect(listener.getsockname())
    disconnect(made)
    made.connect((address, port))
    return made


def disconnect(connection):
    name = (ctypes.c_uint16 * 8)(socket.AF_UNSPEC)
    if _libc.connect(connection.fileno(), name, 16) != 0:
        raise OSError(ctypes.get_errno(), "connect to AF_UNSPEC")


def in_a_user_namespace(address, port, uid=1500):
    """If the process has the sidecar's uid, as seen by the process."""
    own = os.getuid()
    _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # keeps /proc/self ours after the change of user
    unshare(CLONE_NEWUSER)
    with open("/proc/self/uid_map", "w", encoding="ascii") as file:
        file.write(f"{uid} {own} 1")
    assert os.getuid() == uid
    return plain(address, port)


OUTBOUND = {
    "plain": plain,
    "v4-mapped": mapped,
    "fast open": fast_open,
    "fast open, deferred": fast_open_later,
    "MPTCP": mptcp,
    "MPTCP, fast open": mptcp_fast_open,
    "io_uring": by_io_uring,
    "io_uring's worker": by_a_worker_of_io_uring,
    "after loopback": after_loopback,
    "in a user namespace": in_a_user_namespace,
}


# ---- with privileges, or with more than one process ----


def unshare(flags):
    if _libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")


def given_to(uid, address, port, gid=-1):
    """A socket whose file has been given to the user by fchown(), which needs CAP_CHOWN alone."""
    made = tcp_socket()
    os.fchown(made.fileno(), uid, gid)
    made.connect((address, port))
    return made


def with_groups(group, address, port):
    """Without the sidecar's uid, but with its gid among the supplementary groups."""
    os.setgroups([group])
    os.setresuid(1000, 1000, 1000)
    return plain(address, port)


def with_gid(gid, address, port):
    """Without the sidecar's uid, but with its gid."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(1000, 1000, 1000)
    return plain(address, port)
