"""Fixtures: the baseline, observed once, and one interceptor for all observations of the data path."""

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
import compare  # noqa: E402
import observe  # noqa: E402
from harness import programs  # noqa: E402
from harness.interceptor import Interceptor  # noqa: E402
from harness.place import Place, cgroup2_root  # noqa: E402
from mechanisms import Iptables  # noqa: E402


def pytest_configure():
    programs.require()


# How often a case is repeated under iptables before a difference counts.
ROUNDS_OF_DOUBT = 6


def observe_into(directory, mechanism, prefix, cases=None):
    arguments = argparse.Namespace(programs=str(programs.RELAY.parent), out=str(directory),
                                   prefix=prefix, network=77, family=list(observe.FAMILIES),
                                   case=cases, relay_options="")
    observe.observe(arguments, mechanism)
    return compare.load_observation(directory)


class Baseline:
    """The observations under iptables. Some facts depend on timing: before a difference counts, its case
    is repeated a few times under iptables, and what iptables shows in any of them is not a difference.
    The data path's observation is never repeated."""

    def __init__(self, directory):
        self._directory = directory
        self._rounds = 0
        self._again = []
        self.facts = self._observe(None)

    def _observe(self, cases):
        self._rounds += 1
        return observe_into(self._directory / f"iptables-{self._rounds}", Iptables("fsm"), "tpi",
                            cases)

    def ours_alone(self, differences):
        left = [each for each in differences
                if not any(each.also_in(facts) for facts in self._again)]
        for _ in range(ROUNDS_OF_DOUBT):
            if not left:
                break
            facts = self._observe(sorted({each.case.split("/", 1)[1] for each in left}))
            self._again.append(facts)
            left = [each for each in left if not each.also_in(facts)]
        return left


@pytest.fixture(scope="session")
def observations():
    """A directory that the pods' users can access; they cannot access pytest's own."""
    with tempfile.TemporaryDirectory(prefix="fsm-transparency-") as directory:
        os.chmod(directory, 0o755)
        yield pathlib.Path(directory)


@pytest.fixture(scope="session")
def baseline(observations):
    return Baseline(observations)


def on_this_machine(**settings):
    """The pods are in the machine's own cgroup tree, without a separate cgroup."""
    machine = types.SimpleNamespace(place=Place("/proc/self/ns/net", cgroup2_root()),
                                    pod_cgroup=cgroup2_root())
    return Interceptor(machine, **settings)


@pytest.fixture(scope="session")
def interceptor():
    ours = on_this_machine()
    try:
        yield ours.start()
    finally:
        ours.remove()


@pytest.fixture
def iptables_interceptor(tmp_path):
    """The baseline redirects IPv6 from the start, whether or not a sidecar listens on it."""
    text = (programs.REPOSITORY / "profiles/fsm.yaml").read_text()
    (tmp_path / "fsm.yaml").write_text(text.replace("ipv6: when_listening", "ipv6: always"))
    ours = on_this_machine(trafficInterceptionMode="iptables", profilesDirectory=str(tmp_path))
    try:
        yield ours.start()
    finally:
        ours.remove()
