"""manifests/: equal to the rendered chart; the samples are consistent."""

import os
import subprocess

import yaml

from conftest import REPOSITORY

SAMPLES = REPOSITORY / "manifests/samples"


def sample_objects():
    kustomization = yaml.safe_load((SAMPLES / "kustomization.yaml").read_text())
    for name in kustomization["resources"]:
        yield from yaml.safe_load_all((SAMPLES / name).read_text())


def test_rendered_manifests_are_in_step(helm):
    done = subprocess.run([REPOSITORY / "scripts/render-manifests.sh"], capture_output=True,
                          text=True, check=True, timeout=60, env={**os.environ, "HELM": helm})
    assert done.stdout == (REPOSITORY / "manifests/fsm.yaml").read_text(), \
        "run scripts/render-manifests.sh >manifests/fsm.yaml"


def test_samples_sidecar_is_the_one_of_the_demo():
    sidecar = next(each for each in sample_objects() if each["metadata"]["name"] == "sidecar")
    assert sidecar["data"]["haproxy.cfg"] == \
        (REPOSITORY / "manifests/demo/image/sidecar.cfg").read_text()


def test_samples_mount_what_is_there():
    objects = list(sample_objects())
    maps = {each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap"}
    deployments = [each for each in objects if each["kind"] == "Deployment"]
    assert len(deployments) == 3
    for deployment in deployments:
        pod = deployment["spec"]["template"]["spec"]
        assert {each["configMap"]["name"] for each in pod["volumes"] if "configMap" in each} <= maps


def test_samples_sidecars_are_what_the_profile_looks_for():
    profile = yaml.safe_load((REPOSITORY / "profiles/fsm.yaml").read_text())["sidecar"]
    for deployment in (each for each in sample_objects() if each["kind"] == "Deployment"):
        app, sidecar = deployment["spec"]["template"]["spec"]["containers"]
        assert sidecar["name"] in profile["containers"]
        assert sidecar["securityContext"]["runAsUser"] == profile["uid"]
        assert app["securityContext"]["runAsUser"] != profile["uid"]
