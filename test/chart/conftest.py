"""Shared by the tests of the chart: helm, and the rendered objects."""

import pathlib
import re
import subprocess

import pytest
import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "charts/fsm"
NAMESPACE = "fsm-system"


def pytest_addoption(parser):
    parser.addoption("--helm", default="", help="helm; tests that need it are skipped without")
    parser.addoption("--fsm-interceptor", required=True, help="the interceptor's binary")


class Refused(Exception):
    """helm failed; the text is its output."""


class Chart:
    def __init__(self, helm):
        self._helm = helm

    def run(self, *words):
        done = subprocess.run([self._helm, *words], capture_output=True, text=True, check=False,
                              timeout=60)
        if done.returncode != 0:
            raise Refused(done.stderr + done.stdout)
        return done.stdout

    def render(self, *values, options=()):
        """The objects, by kind and name; values as in --set."""
        sets = [word for value in values for word in ("--set-json" if "=[" in value or "={" in value
                                                      else "--set", value)]
        text = self.run("template", "fsm", CHART, "--namespace", NAMESPACE, *sets, *options)
        return Objects(yaml.safe_load_all(text))


class Objects(dict):
    def __init__(self, documents):
        super().__init__(((each["kind"], each["metadata"]["name"]), each)
                         for each in documents if each)

    def named(self, kind, name="fsm-interceptor"):
        return self[(kind, name)]

    @property
    def pod(self):
        return self.named("DaemonSet")["spec"]["template"]

    @property
    def container(self):
        return self.pod["spec"]["containers"][0]

    @property
    def config_text(self):
        return self.named("ConfigMap")["data"]["interceptor.yaml"]

    @property
    def config(self):
        return yaml.safe_load(self.config_text)

    def host_path(self, volume):
        found = [each["hostPath"]["path"] for each in self.pod["spec"]["volumes"]
                 if each["name"] == volume and "hostPath" in each]
        return found[0] if found else None


@pytest.fixture(scope="session")
def helm(request):
    path = request.config.getoption("--helm")
    if not path:
        pytest.skip("there is no helm")
    return path


@pytest.fixture(scope="session")
def chart(helm):
    return Chart(helm)


@pytest.fixture(scope="session")
def interceptor(request):
    return request.config.getoption("--fsm-interceptor")


@pytest.fixture(scope="session")
def readme():
    return (CHART / "README.md").read_text()


def table_of(text, heading):
    """The rows of the first table below a heading, each a list of cells without back-ticks."""
    section = re.split(rf"^#+ {re.escape(heading)}$", text, flags=re.MULTILINE)[1]
    section = re.split(r"^#+ ", section, flags=re.MULTILINE)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in row] for row in rows[2:]]
