"""Sidecars: the tests' own relay, and HAProxy."""

import json
import os
import pathlib
import signal
import subprocess

from harness import programs
from harness.wait import eventually

FSM_UID = 1500


class Relay:
    """The tests' own sidecar. It reports the addresses of every connection."""

    def __init__(self, pod, directory, *options, uid=FSM_UID, outbound=15001, inbound=15003):
        self.place = pod.root.as_user(uid)
        self._directory = pathlib.Path(directory) / f"relay-{pod.netns.name}-{uid}"
        self._directory.mkdir(exist_ok=True)
        os.chmod(self._directory, 0o777)
        self._report = self._directory / "report"
        self._report.unlink(missing_ok=True)
        self._pid = self._directory / "pid"
        self._pid.unlink(missing_ok=True)
        with (self._directory / "log").open("ab") as log:
            self._process = self.place.start(
                programs.RELAY, "--outbound", outbound, "--inbound", inbound,
                "--report", self._report, "--pid-file", self._pid, *options,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(self._listens)

    def _listens(self):
        if self._process.poll() is not None:
            raise RuntimeError(f"the relay ended: {self.log()}")
        return self._pid.exists()

    @property
    def pid(self):
        """Of the current generation: a reload changes it."""
        return int(self._pid.read_text())

    def worker_pids(self):
        try:
            children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except FileNotFoundError:
            return []
        return [int(number) for number in children.split()]

    def reload(self):
        before = self.pid
        os.kill(before, signal.SIGUSR2)
        eventually(lambda: self.pid != before)

    def stop(self):
        """Ends it at once; open connections are cut. Its listeners are closed when this returns."""
        pids = {self._process.pid, self.pid, *self.worker_pids()}
        for pid in pids:
            _kill(pid)
        self._process.wait(10)
        eventually(lambda: not any(_is_alive(pid) for pid in pids))

    def reports(self, listener=None):
        if not self._report.exists():
            return []
        lines = [json.loads(line) for line in self._report.read_text().splitlines()]
        return [line for line in lines if listener in (None, line["listener"])]

    def log(self):
        return (self._directory / "log").read_text()


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _is_alive(pid):
    """A zombie has already closed its sockets."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


class HaProxy:
    """A real sidecar. IPv4 only: it does not use the original destination of IPv6."""

    CONFIGURATION = """
global
  nbthread 1
  maxconn 8000
  stats socket {directory}/admin.sock mode 600 level admin expose-fd listeners
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend outbound
  bind 0.0.0.0:15001
  default_backend outbound
backend outbound
  server original 0.0.0.0:0
frontend inbound
  bind 0.0.0.0:15003
  default_backend inbound
backend inbound
  server application 127.0.0.1 source 127.0.0.6
"""

    def __init__(self, pod, directory):
        self.place = pod.root.as_user(FSM_UID)
        self._directory = pathlib.Path(directory) / f"haproxy-{pod.netns.name}"
        self._directory.mkdir(exist_ok=True)
        os.chmod(self._directory, 0o777)
        self._configuration = self._directory / "haproxy.cfg"
        self._configuration.write_text(self.CONFIGURATION.format(directory=self._directory))
        self._processes = [self._start()]
        eventually(self._is_listening)

    def _start(self, *options):
        with (self._directory / "log").open("ab") as log:
            return self.place.start("haproxy", "-db", "-f", self._configuration, *options,
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def reload(self):
        """A successor takes over the listening sockets, and the old process ends later."""
        old = self._processes[-1]
        self._processes.append(self._start("-x", self._directory / "admin.sock", "-sf", old.pid))

        def took_over():
            assert self._processes[-1].poll() is None, (self._directory / "log").read_text()
            return str(self._processes[-1].pid) in self._listeners()

        eventually(took_over)

    def stop(self):
        for process in self._processes:
            process.kill()
            process.wait(10)

    def _listeners(self):
        return self.place.as_user(0).run("ss", "-Hltnp").stdout

    def _is_listening(self):
        assert self._processes[-1].poll() is None, (self._directory / "log").read_text()
        listing = self._listeners()
        return ":15001 " in listing and ":15003 " in listing
