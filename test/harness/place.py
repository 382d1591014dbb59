"""Where a test's process runs: a network namespace, a cgroup and a user; and how to run programs and
Python functions there.

Functions run in a forked child, so that their sockets belong to the place's namespace, cgroup and
user. What they return, or raise, comes back to the caller.
"""

import ctypes
import dataclasses
import os
import pathlib
import pickle
import select
import signal
import subprocess
import sys
import time
import traceback

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1


def enter_netns(path):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"setns {path}: {os.strerror(number)}")
    finally:
        os.close(fd)


@dataclasses.dataclass(frozen=True)
class Place:
    netns: str
    cgroup: pathlib.Path
    uid: int = 0

    def as_user(self, uid):
        return dataclasses.replace(self, uid=uid)

    def enter(self):
        """Moves the calling process there permanently. It dies with its parent from now on."""
        (self.cgroup / "cgroup.procs").write_text("0")
        enter_netns(self.netns)
        if self.uid:
            os.setgroups([])
            os.setresgid(self.uid, self.uid, self.uid)
            os.setresuid(self.uid, self.uid, self.uid)
        # Changing the user clears it, so it comes last.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def start(self, *command, **options):
        return subprocess.Popen([str(part) for part in command], preexec_fn=self.enter, **options)

    def run(self, *command, timeout=60, check=True, **options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        result = subprocess.run([str(part) for part in command], preexec_fn=self.enter, text=True,
                                timeout=timeout, check=False, **options)
        if check and result.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))} ended with {result.returncode}:\n"
                               f"{result.stdout}\n{result.stderr}")
        return result

    def call(self, function, *arguments, timeout=30):
        task = self.spawn(function, *arguments)
        try:
            return task.result(timeout)
        finally:
            task.stop()

    def spawn(self, function, *arguments):
        return Task(self, function, arguments)


class Task:
    """A Python function that runs in a place."""

    def __init__(self, place, function, arguments):
        self.name = getattr(function, "__name__", str(function))
        read, write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(read)
            _run_and_exit(place, function, arguments, write)
        os.close(write)
        self._read = read
        self._answer = b""

    def result(self, timeout=30):
        until = time.monotonic() + timeout
        waiting = select.poll()  # select() supports descriptors up to 1023 only
        waiting.register(self._read, select.POLLIN)
        while True:
            if not waiting.poll(max(0, until - time.monotonic()) * 1000):
                raise TimeoutError(f"{self.name} did not end within {timeout} s")
            part = os.read(self._read, 1 << 16)
            if not part:
                break
            self._answer += part
        self.stop()
        if not self._answer:
            raise RuntimeError(f"{self.name} ended without an answer")
        good, value = pickle.loads(self._answer)
        if good:
            return value
        error, trace = value
        error.add_note(f"in the other namespace:\n{trace}")
        raise error

    def stop(self):
        if self.pid is None:
            return
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._read)
        self.pid = None


def _run_and_exit(place, function, arguments, write):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        place.enter()
        answer = pickle.dumps((True, function(*arguments)))
    except BaseException as error:  # pylint: disable=broad-except  # the caller gets all of them
        trace = traceback.format_exc()
        try:
            answer = pickle.dumps((False, (error, trace)))
            pickle.loads(answer)
        except Exception:  # pylint: disable=broad-except  # an error that cannot travel
            answer = pickle.dumps((False, (RuntimeError(repr(error)), trace)))
    while answer:
        answer = answer[os.write(write, answer):]
    os._exit(0)


class ControlGroup:
    """The test's own cgroup of version 2: programs attached to it see no other sockets, and all its
    processes can be killed at once."""

    def __init__(self, name):
        self.path = cgroup2_root() / name
        self.path.mkdir()

    def child(self, name):
        path = self.path / name
        path.mkdir(exist_ok=True)
        return path

    def remove(self):
        (self.path / "cgroup.kill").write_text("1")
        until = time.monotonic() + 10
        while "populated 1" in (self.path / "cgroup.events").read_text():
            if time.monotonic() > until:
                raise RuntimeError(f"{self.path} still has processes after cgroup.kill")
            time.sleep(0.01)
        for path, _, _ in os.walk(self.path, topdown=False):
            os.rmdir(path)


def cgroup2_root():
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, rest = line.partition(" - ")
        if rest.startswith("cgroup2 "):
            return pathlib.Path(mount.split()[4])
    raise RuntimeError("no cgroup2 is mounted")
