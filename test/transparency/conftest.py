"""Fixtures: the baseline, observed once, and one interceptor for all of ours."""

import argparse
import os
import pathlib
import sys
import tempfile
import types

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

# pylint: disable=wrong-import-position
import observe  # noqa: E402
from harness import programs  # noqa: E402
from harness.interceptor import Interceptor  # noqa: E402
from harness.place import Place, cgroup2_root  # noqa: E402
from mechanisms import Iptables  # noqa: E402


def pytest_configure():
    programs.require()


def observe_into(directory, mechanism, prefix):
    arguments = argparse.Namespace(programs=str(programs.RELAY.parent), out=str(directory),
                                   prefix=prefix, network=77, family=list(observe.FAMILIES),
                                   case=None, relay_options="")
    observe.observe(arguments, mechanism)
    return directory


@pytest.fixture(scope="session")
def observations():
    """A directory that the pods' users can reach; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="fsm-transparency-") as directory:
        os.chmod(directory, 0o755)
        yield pathlib.Path(directory)


@pytest.fixture(scope="session")
def baseline(observations):
    return observe_into(observations / "iptables", Iptables("fsm"), "tpi")


@pytest.fixture(scope="session")
def interceptor():
    """The pods are in the machine's own cgroup tree: no cgroup of their own."""
    machine = types.SimpleNamespace(place=Place("/proc/self/ns/net", cgroup2_root()),
                                    pod_cgroup=cgroup2_root())
    ours = Interceptor(machine)
    try:
        yield ours.start()
    finally:
        ours.remove()
