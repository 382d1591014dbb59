#!/usr/bin/python3
"""old_kernel.py PROGRAM ARGUMENT…: runs a program as if the kernel had neither bpf(2) nor
SO_NETNS_COOKIE (Linux 5.14), by a seccomp filter that its children inherit."""

import ctypes
import errno
import os
import platform
import struct
import sys

GETSOCKOPT, BPF = {"x86_64": (55, 321), "aarch64": (209, 280)}[platform.machine()]
SO_NETNS_COOKIE = 71
PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_NO_NEW_PRIVS = 22, 2, 38
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, THIRD_ARGUMENT = 0, 16 + 2 * 8  # offsets in struct seccomp_data

PROGRAM = [
    (LOAD, 0, 0, NUMBER),
    (EQUAL, 4, 0, BPF),
    (EQUAL, 0, 2, GETSOCKOPT),
    (LOAD, 0, 0, THIRD_ARGUMENT),
    (EQUAL, 2, 0, SO_NETNS_COOKIE),
    (RETURN, 0, 0, ALLOW),
    (RETURN, 0, 0, ERRNO | errno.ENOSYS),
    (RETURN, 0, 0, ERRNO | errno.ENOPROTOOPT),
]


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in PROGRAM))
    filters = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(PROGRAM),
                                                      ctypes.addressof(code)))
    if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filters)):
        raise OSError(ctypes.get_errno(), "install a seccomp filter")
    os.execv(sys.argv[1], sys.argv[1:])


main()
