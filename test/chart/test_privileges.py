"""The rights in the cluster and on the node: exactly those that the chart's README explains."""

import re

import pytest
import yaml

from conftest import CHART, table_of


def rights_of(role):
    return {("/".join([group or "core", resource]), verb)
            for rule in role["rules"] for group in rule["apiGroups"]
            for resource in rule["resources"] for verb in rule["verbs"]}


@pytest.mark.parametrize("taint", ["", "fsm.flomesh.io/not-ready"])
def test_rights_are_those_of_the_readme(chart, readme, taint):
    objects = chart.render(f"fsm.fsmInterceptor.nodeTaint={taint}")
    told = {"ClusterRole": set(), "Role": set()}
    for kind, resource, verbs, why in table_of(readme, "Rights in the cluster"):
        if taint or "nodeTaint" not in why:
            told[kind] |= {(resource, verb) for verb in re.findall(r"\w+", verbs)}
    for kind, rights in told.items():
        assert rights_of(objects.named(kind)) == rights


def test_own_daemonset_is_the_only_one_it_may_see(chart):
    for rule in chart.render().named("Role")["rules"]:
        assert rule["resourceNames"] == ["fsm-interceptor"]


@pytest.mark.parametrize("mode", ["ebpf", "iptables", "none"])
def test_capabilities_are_those_of_the_readme(chart, readme, mode):
    context = chart.render(f"trafficInterceptionMode={mode}").container["securityContext"]
    told = [row[0] for row in table_of(readme, "Rights on the node")
            if mode == "iptables" or "trafficInterceptionMode=iptables" not in row[1]]
    assert context["privileged"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"]["drop"] == ["ALL"]
    assert sorted(context["capabilities"]["add"]) == sorted(told)


def test_host_paths_are_those_of_the_readme(chart, readme):
    objects = chart.render()
    told = {row[0]: row[1] for row in table_of(readme, "Paths of the node")}
    mounted = {each["mountPath"]: objects.host_path(each["name"])
               for each in objects.container["volumeMounts"] if objects.host_path(each["name"])}
    assert mounted == told


def test_test_pod_has_no_rights(chart):
    pod = chart.render().named("Pod", "fsm-interceptor-test")["spec"]
    assert pod["automountServiceAccountToken"] is False
    context = pod["containers"][0]["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["allowPrivilegeEscalation"] is False


def leaves(values, path=""):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{path}{key}.")
        else:
            yield path + key


def test_readme_has_every_value(readme):
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    missing = [leaf for leaf in leaves(values)
               if f"`{leaf}`" not in readme and f"`{leaf.split('.resource.')[0]}.resource`" not in readme]
    assert not missing
