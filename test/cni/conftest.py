"""Shared by the tests of the plugin's binary: the binary, and a runtime that calls it."""

import json
import os
import subprocess
import time

import pytest


def pytest_addoption(parser):
    parser.addoption("--fsm-cni", required=True, help="the plugin's binary")


def pytest_configure(config):
    config.addinivalue_line("markers", "shipped: holds for builds that are installed only")


@pytest.fixture(scope="session")
def binary(request):
    path = os.path.abspath(request.config.getoption("--fsm-cni"))
    assert os.access(path, os.X_OK), f"{path} is not an executable file"
    return path


class Answer:
    """The result of a plugin, as a runtime gets it."""

    def __init__(self, process, seconds):
        self.status = process.returncode
        self.stdout = process.stdout
        self.stderr = process.stderr.decode()
        self.seconds = seconds

    @property
    def json(self):
        return json.loads(self.stdout)

    def expect_error(self, code, *texts):
        assert self.status != 0
        error = self.json
        assert error["code"] == code, self.stdout
        assert set(error) <= {"cniVersion", "code", "msg", "details"}
        for text in texts:
            assert text in error["msg"] + "; " + error.get("details", "")
        return error

    def expect_silence(self):
        assert (self.status, self.stdout) == (0, b""), self.stderr

    def expect_result(self, text):
        assert self.status == 0, (self.stdout, self.stderr)
        assert self.stdout == text.encode() + b"\n"


class Runtime:
    """Calls the plugin as libcni does: parameters in the environment, configuration on stdin."""

    def __init__(self, binary, directory):
        self.binary = binary
        self.socket = str(directory / "socket")
        self.state_dir = str(directory / "state")
        self.environment = {
            "CNI_CONTAINERID": "c0ffee",
            "CNI_NETNS": "/run/netns/x",
            "CNI_IFNAME": "eth0",
            "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web",
            "CNI_PATH": "/opt/cni/bin",
        }

    def config(self, previous_result=None, version="1.1.0", **members):
        """The text of a configuration; `previous_result` is inserted unchanged."""
        config = {"cniVersion": version, "name": "net", "type": "fsm-cni", "socket": self.socket,
                  "state_dir": self.state_dir, **members}
        text = json.dumps(config)
        if previous_result is not None:
            text = text[:-1] + ',"prevResult":' + previous_result + "}"
        return text

    def call(self, command, stdin, **options):
        environment = {**self.environment, **options.pop("environment", {})}
        if command is not None:
            environment["CNI_COMMAND"] = command
        begin = time.monotonic()
        process = subprocess.run(
            [self.binary, *options.pop("arguments", [])],
            env={key: value for key, value in environment.items() if value is not None},
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False, **options)
        return Answer(process, time.monotonic() - begin)

    @property
    def notes(self):
        """The contents of the deletion notes."""
        directory = os.path.join(self.state_dir, "deleted")
        found = []
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
            with open(os.path.join(directory, name), encoding="utf-8") as note:
                found.append(json.load(note))
        return found


@pytest.fixture
def runtime(binary, tmp_path):
    return Runtime(binary, tmp_path)
