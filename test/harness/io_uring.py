"""connect() by io_uring's system calls: the tests' packages contain no library for it."""

import ctypes
import mmap
import os
import socket
import struct

_SETUP, _ENTER = 425, 426  # the same on every architecture
_ENTER_GETEVENTS = 1
_OP_CONNECT = 16
_SQE_ASYNC = 1 << 4
_OFFSET_SQ, _OFFSET_CQ, _OFFSET_SQES = 0, 0x8000000, 0x10000000
_PARAMETERS_SIZE, _SQE_SIZE, _CQE_SIZE = 120, 64, 16

_libc = ctypes.CDLL(None, use_errno=True)


def connect(connection, address, port, by_worker=False):
    """Connects an IPv4 socket. `by_worker`: in a kernel worker thread instead of the caller's."""
    name = struct.pack("=HHI8x", socket.AF_INET, socket.htons(port),
                       int.from_bytes(socket.inet_aton(address), "little"))
    memory = ctypes.create_string_buffer(name)
    entry = struct.pack("=BBHiQQIIQ24x", _OP_CONNECT, _SQE_ASYNC if by_worker else 0, 0,
                        connection.fileno(), len(name), ctypes.addressof(memory), 0, 0, 1)
    error = _submit_one(entry)
    if error:
        raise OSError(error, f"io_uring's connect: {os.strerror(error)}")


def _submit_one(entry):
    """Returns the errno of its completion."""
    parameters = ctypes.create_string_buffer(_PARAMETERS_SIZE)
    ring = _libc.syscall(_SETUP, 1, parameters)
    if ring < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")
    try:
        numbers = struct.unpack("=30I", parameters.raw)
        entries = numbers[0]
        _, sq_tail, _, _, _, _, sq_array = numbers[10:17]
        _, _, _, _, _, cqes = numbers[20:26]
        with mmap.mmap(ring, sq_array + 4 * entries, offset=_OFFSET_SQ) as submissions, \
                mmap.mmap(ring, cqes + 2 * entries * _CQE_SIZE, offset=_OFFSET_CQ) as completions, \
                mmap.mmap(ring, entries * _SQE_SIZE, offset=_OFFSET_SQES) as slots:
            slots[:_SQE_SIZE] = entry
            submissions[sq_array:sq_array + 4] = struct.pack("=I", 0)
            submissions[sq_tail:sq_tail + 4] = struct.pack("=I", 1)
            if _libc.syscall(_ENTER, ring, 1, 1, _ENTER_GETEVENTS, None, 0) != 1:
                raise OSError(ctypes.get_errno(), "io_uring_enter")
            _, result, _ = struct.unpack("=QiI", completions[cqes:cqes + _CQE_SIZE])
            return -result
    finally:
        os.close(ring)
