"""fsm with a real helm; no cluster is contacted."""

import pytest
import yaml

from conftest import REPOSITORY


@pytest.fixture
def dry_run(terminal, request):
    helm = request.config.getoption("--helm")
    if not helm:
        pytest.skip("there is no helm")

    def run(*words):
        return terminal.fsm("install", "--dry-run", *words, HELM=helm)
    return run


def config_of(done):
    assert done.returncode == 0, done.stderr
    objects = [each for each in yaml.safe_load_all(done.stdout) if each]
    maps = [each for each in objects if each["kind"] == "ConfigMap"]
    return yaml.safe_load(maps[0]["data"]["interceptor.yaml"])


@pytest.mark.parametrize("assignment", ["trafficInterceptionMode=iptables",
                                        "fsm.trafficInterceptionMode=iptables"])
def test_mode_in_both_places(dry_run, assignment):
    assert config_of(dry_run("--set", assignment))["trafficInterceptionMode"] == "iptables"


def test_set_beats_values(dry_run, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text("trafficInterceptionMode: none\nfsm: {inbound: tc}\n")
    config = config_of(dry_run("-f", str(values), "--set=trafficInterceptionMode=ebpf"))
    assert config["trafficInterceptionMode"] == "ebpf"
    assert config["inbound"] == "tc"


def test_lists_in_one_assignment(dry_run):
    config = config_of(dry_run("--set", "fsm.outboundPortExclusionList={1,2},fsm.inbound=tc"))
    assert config["outboundPortExclusionList"] == [1, 2]
    assert config["inbound"] == "tc"


def test_unknown_value(dry_run):
    done = dry_run("--set", "fsm.unheardOf=1")
    assert done.returncode == 1
    assert "unheardOf" in done.stderr and "not allowed" in done.stderr  # helm 3 and 4 differ
    assert done.stdout == ""


def test_mesh_name_is_in_the_labels(dry_run):
    objects = yaml.safe_load_all(dry_run("--mesh-name", "other").stdout)
    daemonset = next(each for each in objects if each and each["kind"] == "DaemonSet")
    assert daemonset["metadata"]["labels"]["meshName"] == "other"


def test_chart_inside_is_the_one_of_the_sources(dry_run):
    inside, outside = dry_run(), dry_run("--fsm-chart-path", str(REPOSITORY / "charts/fsm"))
    assert inside.returncode == 0
    assert inside.stdout == outside.stdout
