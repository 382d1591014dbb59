"""The daemon tested from outside: its binary, and a separate node for each test.

Every instance has its own pins, state directory and socket; what it attaches to the root cgroup meets
no pod, since none but the test's own is enrolled.
"""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))


def pytest_addoption(parser):
    parser.addoption("--fsm-interceptor", required=True, help="the interceptor's binary")


@pytest.fixture(scope="session")
def binary(request):
    path = os.path.abspath(request.config.getoption("--fsm-interceptor"))
    assert os.access(path, os.X_OK), f"{path} is not an executable file"
    assert os.geteuid() == 0, "these tests need root"
    return path


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("fsm-interceptor", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Instance:
    """One configuration, and at most one process that uses it."""

    def __init__(self, binary, directory):
        self.binary = binary
        self.directory = pathlib.Path(directory)
        self.pods = self.directory / "pods"
        self.pods.mkdir()
        self.state = self.directory / "state"
        self.socket = self.directory / "api.sock"
        self.pins = f"fsm-test-{os.getpid()}-{self.directory.name}"[:60]
        self.config = {
            "socket": str(self.socket),
            "stateDirectory": str(self.state),
            "bpfName": self.pins,
            "podSource": {"directory": str(self.pods)},
        }
        self.process = None
        self.log = self.directory / "log"

    @property
    def config_file(self):
        path = self.directory / "config.yaml"
        path.write_text(yaml.safe_dump(self.config))
        return path

    def command(self, *arguments, timeout=60):
        return subprocess.run([self.binary, *map(str, arguments)], capture_output=True, text=True,
                              timeout=timeout, check=False)

    def call(self, name, *arguments):
        if name in ("healthz", "readyz"):  # as the chart's probes
            return self.command(name, "--socket", self.socket, *arguments)
        return self.command(name, "--config", self.config_file, *arguments)

    def start(self, until="/readyz"):
        """Returns when that route succeeds."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.binary, "--config", str(self.config_file)],
                                            stderr=log, stdout=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            if self.socket.exists() and self.get(until)[0] == 200:
                return
            time.sleep(0.05)
        raise AssertionError("the interceptor is not ready:\n" + self.log.read_text())

    def stop(self, with_signal=signal.SIGTERM):
        if self.process is None:
            return None
        self.process.send_signal(with_signal)
        status = self.process.wait(20)
        self.process = None
        return status

    def ask(self, method, path, body=None):
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except ConnectionError as failure:
            return 0, str(failure)
        finally:
            connection.close()

    def get(self, path):
        return self.ask("GET", path)

    def get_json(self, path):
        status, body = self.get(path)
        assert status == 200, body
        return json.loads(body)


@pytest.fixture
def instance(binary, tmp_path):
    made = Instance(binary, tmp_path)
    try:
        yield made
    finally:
        made.stop(signal.SIGKILL)
        removed = made.call("uninstall")
        assert removed.returncode == 0, removed.stderr


@pytest.fixture
def netns():
    """A network namespace with an address, as a path."""
    name = f"fsm-itest-{os.getpid()}"
    ip = lambda *arguments: subprocess.run(["ip", *arguments], check=True)
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "add", "eth0", "type", "bridge")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "addr", "add", "10.77.0.5/24", "dev", "eth0")
        yield f"/run/netns/{name}"
    finally:
        ip("netns", "del", name)
