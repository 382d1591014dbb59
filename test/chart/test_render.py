"""The rendered chart, for every profile, mode and platform."""

import itertools
import json
import re
import subprocess

import pytest
import yaml

from conftest import CHART, NAMESPACE, REPOSITORY, Refused

PROFILES = ["fsm", "istio", "linkerd", "kuma", "custom"]
MODES = ["ebpf", "iptables", "none"]
DIRECTORIES = {
    "default": ("/opt/cni/bin", "/etc/cni/net.d"),
    "kind": ("/opt/cni/bin", "/etc/cni/net.d"),
    "minikube": ("/opt/cni/bin", "/etc/cni/net.d"),
    "k3s": ("/var/lib/rancher/k3s/data/cni", "/var/lib/rancher/k3s/agent/etc/cni/net.d"),
    "k3d": ("/var/lib/rancher/k3s/data/cni", "/var/lib/rancher/k3s/agent/etc/cni/net.d"),
    "microk8s": ("/var/snap/microk8s/current/opt/cni/bin",
                 "/var/snap/microk8s/current/args/cni-network"),
    "gke": ("/home/kubernetes/bin", "/etc/cni/net.d"),
    "openshift": ("/var/lib/cni/bin", "/etc/cni/multus/net.d"),
}


def profile_values(profile):
    values = [f"fsm.meshProfile={profile}"]
    if profile == "custom":
        own = yaml.safe_load((REPOSITORY / "profiles/custom.yaml").read_text())
        values.append("fsm.customProfile=" + json.dumps(own))
    return values


def check_config(interceptor, objects, folder):
    """Lets the interceptor check the ConfigMap, mounted as in the pod."""
    data = objects.named("ConfigMap")["data"]
    volume = next(each for each in objects.pod["spec"]["volumes"] if each["name"] == "config")
    for item in volume["configMap"]["items"]:
        path = folder / item["path"]
        path.parent.mkdir(exist_ok=True)
        path.write_text(data[item["key"]].replace("/etc/fsm/", f"{folder}/"))
    return subprocess.run([interceptor, "check-config", "--config", folder / "interceptor.yaml"],
                          capture_output=True, text=True, check=False, timeout=20)


def test_lint_finds_nothing(chart):
    assert "0 chart(s) failed" in chart.run("lint", "--strict", CHART)


def test_version_is_the_projects():
    project = re.search(r"project\(fsm VERSION ([0-9.]+)",
                        (REPOSITORY / "CMakeLists.txt").read_text())[1]
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (about["version"], about["appVersion"]) == (project, project)


@pytest.mark.parametrize("profile,mode", itertools.product(PROFILES, MODES))
def test_every_profile_and_mode(chart, interceptor, tmp_path, profile, mode):
    objects = chart.render(f"trafficInterceptionMode={mode}", *profile_values(profile))
    assert objects.config["profile"] == profile
    assert objects.config["trafficInterceptionMode"] == mode
    checked = check_config(interceptor, objects, tmp_path)
    assert checked.returncode == 0, checked.stderr


def test_profile_that_is_wrong_is_found_by_the_interceptor(chart, interceptor, tmp_path):
    objects = chart.render("fsm.meshProfile=custom", 'fsm.customProfile={"mesh": "x", "bad": 1}')
    checked = check_config(interceptor, objects, tmp_path)
    assert checked.returncode != 0
    assert "custom.yaml" in checked.stderr


@pytest.mark.parametrize("values,mode", [
    ([], "ebpf"),
    (["trafficInterceptionMode=iptables"], "iptables"),
    (["fsm.trafficInterceptionMode=iptables"], "iptables"),
    (["trafficInterceptionMode=none", "fsm.trafficInterceptionMode=none"], "none"),
])
def test_mode_may_be_said_in_two_places(chart, values, mode):
    assert chart.render(*values).config["trafficInterceptionMode"] == mode


@pytest.mark.parametrize("platform", DIRECTORIES)
def test_cni_directories_of_platforms(chart, platform):
    objects = chart.render(f"fsm.cni.platform={platform}")
    assert (objects.host_path("cni-bin"), objects.host_path("cni-config")) == DIRECTORIES[platform]


def test_cni_directories_of_ones_own_win(chart):
    objects = chart.render("fsm.cni.platform=k3s", "fsm.cni.binDir=/my/bin",
                           "fsm.cni.configDir=/my/config")
    assert objects.host_path("cni-bin") == "/my/bin"
    assert objects.host_path("cni-config") == "/my/config"


def quotas(objects):
    return [each for (kind, _), each in objects.items() if kind == "ResourceQuota"]


def test_gke_has_a_quota_for_the_priority_class(chart):
    quota, = quotas(chart.render("fsm.cni.platform=gke"))
    assert quota["metadata"]["namespace"] == NAMESPACE
    assert quota["spec"]["scopeSelector"]["matchExpressions"] == [
        {"scopeName": "PriorityClass", "operator": "In", "values": ["system-node-critical"]}]
    assert quota["spec"]["hard"] == {"pods": "1G"}


@pytest.mark.parametrize("values,options", [
    ([], []),
    (["fsm.cni.platform=gke"], ["--namespace", "kube-system"]),  # GKE has one there
    (["fsm.cni.platform=gke", "fsm.fsmInterceptor.priorityClassName=my-own"], []),
])
def test_no_quota_where_none_is_needed(chart, values, options):
    assert not quotas(chart.render(*values, options=options))


TAINT = "fsm.flomesh.io/not-ready"


def test_a_taint_is_removed_only_if_it_is_named(chart):
    silent = chart.render()
    assert "nodeTaint" not in silent.config["podSource"]["kubernetes"]
    tainted = chart.render(f"fsm.fsmInterceptor.nodeTaint={TAINT}")
    assert tainted.config["podSource"]["kubernetes"]["nodeTaint"] == TAINT


@pytest.mark.parametrize("values", [
    [], ["fsm.fsmInterceptor.tolerations=[]"],
    ['fsm.fsmInterceptor.tolerations=[{"key": "k", "operator": "Exists"}]']])
def test_the_taint_that_it_removes_is_tolerated(chart, values):
    def tolerations(*more):
        return chart.render(*values, *more).pod["spec"].get("tolerations", [])

    tolerated = tolerations(f"fsm.fsmInterceptor.nodeTaint={TAINT}")
    assert tolerated == tolerations() + [{"key": TAINT, "operator": "Exists"}]


def test_configuration_with_the_taint_is_valid(chart, interceptor, tmp_path):
    checked = check_config(interceptor, chart.render(f"fsm.fsmInterceptor.nodeTaint={TAINT}"),
                           tmp_path)
    assert checked.returncode == 0, checked.stderr


def test_a_container_mounts_no_bpffs_of_its_own(chart):
    assert chart.render().config["mountBpffs"] is False


def test_chain_may_be_named_by_its_file_or_network(chart):
    assert "configuration" not in chart.render().config["cni"]
    for name in ("crio", "10-kuberouter.conf"):
        rendered = chart.render(f"fsm.cni.configuration={name}")
        assert rendered.config["cni"]["configuration"] == name


def test_every_host_path_is_a_value(chart):
    objects = chart.render(
        "fsm.hostPaths.bpffs=/a/bpf", "fsm.hostPaths.cgroup=/a/cgroup", "fsm.hostPaths.varRun=/a/run",
        "fsm.hostPaths.proc=/a/proc", "fsm.cni.binDir=/a/bin", "fsm.cni.configDir=/a/config",
        "fsm.bpfName=other")
    paths = [each["hostPath"]["path"] for each in objects.pod["spec"]["volumes"]
             if "hostPath" in each]
    assert sorted(paths) == ["/a/bin", "/a/bpf", "/a/cgroup", "/a/config", "/a/proc", "/a/run"]
    assert objects.config["bpfName"] == "other"
    assert objects.config["cgroup"] == "/host/cgroup"
    assert objects.config["cni"]["hostSocket"] == "/a/run/fsm-cni.sock"


def test_cgroup_is_found_by_its_type_unless_it_is_given(chart):
    objects = chart.render()
    assert "cgroup" not in objects.config
    assert objects.host_path("cgroup") == "/sys/fs/cgroup"


def test_every_path_of_the_configuration_is_mounted(chart):
    objects = chart.render("fsm.hostPaths.cgroup=/x")
    mounts = [each["mountPath"] for each in objects.container["volumeMounts"]]
    config = objects.config
    paths = [config[key] for key in ("socket", "stateDirectory", "bpffs", "cgroup", "proc",
                                     "hostVarRun")]
    paths += [config["cni"]["binDir"], config["cni"]["configDir"]]
    for path in paths:
        assert any(path == mount or path.startswith(mount + "/") for mount in mounts), path


def test_own_namespace_never_waits_for_the_interceptor(chart):
    assert chart.render("fsm.cni.excludeNamespaces=[]").config["cni"]["excludeNamespaces"] == \
        [NAMESPACE]


def test_log(chart):
    config = chart.render("fsm.logLevels.sync=debug", "fsm.logFormat=json").config
    assert config["logLevel"] == "info"
    assert config["logLevels"] == {"sync": "debug"}
    assert config["logFormat"] == "json"


def test_fsm_names_of_the_interceptors_settings(chart):
    objects = chart.render(
        "fsm.fsmInterceptor.debug=true", "fsm.fsmInterceptor.kernelTracing=true",
        "fsm.fsmInterceptor.kindMode=true", "fsm.fsmInterceptor.cniMode=false",
        "fsm.fsmInterceptor.podLabels.a=b")
    config = objects.config
    assert config["logLevel"] == "debug"
    assert "logLevels" not in config and config["logFormat"] == "text"
    assert config["kernelTracing"] is True
    assert config["podSource"]["kubernetes"]["allNodes"] is True
    assert config["cni"]["install"] is False
    assert objects.host_path("cni-bin") is None
    assert objects.pod["metadata"]["labels"]["a"] == "b"


def test_metrics_have_a_port_if_they_are_given_one(chart):
    silent = chart.render()
    assert "metricsAddress" not in silent.config and "ports" not in silent.container
    scraped = chart.render("fsm.fsmInterceptor.metricsPort=9091")
    assert scraped.config["metricsAddress"] == ":9091"
    assert scraped.container["ports"] == [
        {"name": "metrics", "containerPort": 9091, "protocol": "TCP"}]


def test_metrics_are_found_by_annotations_which_a_user_may_change(chart):
    def annotations(*values):
        found = chart.render(*values).pod["metadata"]["annotations"]
        return {key.removeprefix("prometheus.io/"): value for key, value in found.items()
                if key.startswith("prometheus.io/")}

    port = "fsm.fsmInterceptor.metricsPort=9091"
    own = r"fsm.fsmInterceptor.podAnnotations.prometheus\.io/scrape=no"
    assert annotations() == {}
    assert annotations(port) == {"scrape": "true", "port": "9091", "path": "/metrics"}
    assert annotations(port, own) == {"scrape": "no", "port": "9091", "path": "/metrics"}


@pytest.mark.parametrize("values,image", [
    ([], "localhost/fsm-interceptor:0.1.0"),
    (["fsm.image.registry=example.org/mesh", "fsm.image.tag=7"], "example.org/mesh/fsm-interceptor:7"),
    (["fsm.image.registry=", "fsm.image.name.fsmInterceptor=x"], "x:0.1.0"),
    (["fsm.image.digest.fsmInterceptor=sha256:" + "a" * 64],
     "localhost/fsm-interceptor@sha256:" + "a" * 64),
])
def test_image(chart, values, image):
    objects = chart.render(*values)
    assert objects.container["image"] == image
    assert objects.named("Pod", "fsm-interceptor-test")["spec"]["containers"][0]["image"] == image


def test_a_changed_configuration_replaces_the_pods(chart):
    def checksum(*values):
        return chart.render(*values).pod["metadata"]["annotations"]["checksum/config"]
    assert checksum() == checksum()
    assert checksum() != checksum("fsm.acceleration=off")


def test_names_are_those_of_fsm(chart):
    objects = chart.render(options=["--skip-tests"])
    kinds = {kind for kind, name in objects if name == "fsm-interceptor"}
    assert kinds == {"ServiceAccount", "ConfigMap", "ClusterRole", "ClusterRoleBinding", "Role",
                     "RoleBinding", "DaemonSet"}
    assert len(objects) == len(kinds)


def test_bindings_follow_the_namespace_of_the_release(chart):
    objects = chart.render(options=["--namespace", "elsewhere"])
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        assert [each["namespace"] for each in objects.named(kind)["subjects"]] == ["elsewhere"]
    assert objects.named("Role")["metadata"]["namespace"] == "elsewhere"


def test_app_armor_of_old_and_new_kubernetes(chart):
    new = chart.render(options=["--kube-version", "1.30.0"])
    assert new.container["securityContext"]["appArmorProfile"] == {"type": "Unconfined"}
    old = chart.render(options=["--kube-version", "1.28.0"])
    assert "appArmorProfile" not in old.container["securityContext"]
    annotation = "container.apparmor.security.beta.kubernetes.io/interceptor"
    assert old.pod["metadata"]["annotations"][annotation] == "unconfined"


@pytest.mark.parametrize("values,place,words", [
    (["fsm.unheardOf=1"], "fsm", "unheardOf, not allowed"),
    (["unheardOf=1"], "", "unheardOf, not allowed"),
    (["fsm.fsmInterceptor.cnimode=true"], "fsm.fsmInterceptor", "cnimode, not allowed"),
    (["fsm.cni.platform=vax"], "fsm.cni.platform", "k3s"),
    (["fsm.meshProfile=consul"], "fsm.meshProfile", "fsm, istio, linkerd, kuma, custom"),
    (["trafficInterceptionMode=xdp"], "trafficInterceptionMode", "ebpf, iptables, none"),
    (["fsm.outboundPortExclusionList=[70000]"], "fsm.outboundPortExclusionList.0", "65535"),
    (['fsm.outboundIPRangeExclusionList=["all"]'], "fsm.outboundIPRangeExclusionList.0", "pattern"),
    (["fsm.hostPaths.proc=relative"], "fsm.hostPaths.proc", "pattern"),
    (["fsm.bpfName=a/b"], "fsm.bpfName", "pattern"),
    (["fsm.limits.maxPods=0"], "fsm.limits.maxPods", "1"),
    (["fsm.logLevels.sync=loud"], "fsm.logLevels.sync", "debug"),
    (["fsm.logFormat=xml"], "fsm.logFormat", "json"),
    (["fsm.fsmInterceptor.metricsPort=70000"], "fsm.fsmInterceptor.metricsPort", "65535"),
    (["fsm.fsmInterceptor.nodeTaint=a b"], "fsm.fsmInterceptor.nodeTaint", "pattern"),
    (["fsm.fsmInterceptor.maxUnavailable=0"], "fsm.fsmInterceptor.maxUnavailable", "1"),
])
def test_schema_refuses_and_says_where_and_why(chart, values, place, words):
    """helm 3 and helm 4 differ in wording, and in how they write the path (points or slashes)."""
    with pytest.raises(Refused) as refused:
        chart.render(*values)
    said = str(refused.value).replace("'", "").replace('"', "").replace("/", ".").replace(",", "")
    assert place in said
    for word in words.split(", "):
        assert word in said


@pytest.mark.parametrize("values,words", [
    (["trafficInterceptionMode=ebpf", "fsm.trafficInterceptionMode=none"], "they mean the same"),
    (["fsm.meshProfile=custom"], "fsm.customProfile is empty"),
    (["fsm.hostPaths.cgroupSubPathExpr=x"], "fsm.hostPaths.cgroup, which is empty"),
])
def test_values_that_do_not_fit_together_are_refused(chart, values, words):
    with pytest.raises(Refused, match=re.escape(words)):
        chart.render(*values)


def test_schema_knows_every_value_and_no_other():
    """A new value must be documented there, and a removed one deleted."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    leaves = {"fsm.customProfile", "fsm.imagePullSecrets"}

    def compare(path, value, part):
        if "properties" not in part or path in leaves:
            return
        assert part["additionalProperties"] is False, path
        known = set(part["properties"]) - {"global"}
        open_ended = path.startswith("fsm.fsmInterceptor.") and not value
        assert open_ended or known == set(value), path
        for key in value:
            compare(f"{path}.{key}".lstrip("."), value[key], part["properties"][key])

    compare("", values, schema)
