"""The image: its contents, that it runs, and that the same build gives the same image."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile

import pytest

from conftest import REPOSITORY

NAME = "localhost/fsm-interceptor:tried"


@pytest.fixture(scope="module")
def build(interceptor):
    return pathlib.Path(interceptor).resolve().parents[1]


@pytest.fixture(scope="module")
def root(build, tmp_path_factory):
    """The image's file system, as created by both builds."""
    folder = tmp_path_factory.mktemp("image") / "root"
    subprocess.run([REPOSITORY / "scripts/image-root.sh", build, folder], check=True, timeout=60)
    return folder


def inside(root, *words, **options):
    return subprocess.run(["/usr/sbin/chroot", root, *words], capture_output=True, text=True, check=False,
                          timeout=20, **options)


def test_programs_run_in_it(root):
    assert inside(root, "/app/fsm-interceptor", "version").returncode == 0
    assert inside(root, "/app/fsm-interceptor", "check-config").returncode == 0
    plugin = inside(root, "/app/fsm-cni", env={"CNI_COMMAND": "VERSION"}, input='{"cniVersion":"1.0.0"}')
    assert "supportedVersions" in json.loads(plugin.stdout)


@pytest.mark.parametrize("kind", ["nft", "legacy"])
@pytest.mark.parametrize("family,address", [("iptables", "10.0.0.0/8"), ("ip6tables", "fd00::/8")])
def test_rules_of_the_meshes_can_be_read_in_it(root, kind, family, address):
    rules = ("*nat\n:IN - [0:0]\n-A IN -p tcp -m multiport --dports 1,2 -j RETURN\n"
             "-A IN -m owner --uid-owner 1500 -m comment --comment x -j RETURN\n"
             f"-A IN -d {address} -j RETURN\n-A IN -p tcp -j REDIRECT --to-ports 15001\nCOMMIT\n")
    done = subprocess.run(["/usr/bin/unshare", "--net", "/usr/sbin/chroot", root, f"{family}-{kind}-restore", "--test"],
                          input=rules, capture_output=True, text=True, check=False, timeout=20,
                          env={"PATH": "/usr/sbin"})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["nft", "legacy"])
def test_mode_iptables_works_with_this_kind_as_it_is_deployed(chart, root, tmp_path, kind):
    """Environment, capabilities and file systems are those of the DaemonSet; nothing is set by hand."""
    objects = chart.render("trafficInterceptionMode=iptables")
    config = objects.config
    # Parts that need a cluster are not tested here.
    config["podSource"] = {"directory": "/host/var/run"}
    config["cni"]["install"] = False
    assert started_in_container(root, objects, config, tmp_path)[kind] == "true"


def started_in_container(root, objects, config, folder):
    """Whether each kind of iptables works, from the interceptor's log at its start."""
    (folder / "config").mkdir()
    (folder / "run").mkdir()
    (folder / "config/interceptor.yaml").write_text(json.dumps(config))
    container = objects.container
    variables = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    description = {"root": str(root), "config": str(folder / "config"), "run": str(folder / "run"),
                   "capabilities": container["securityContext"]["capabilities"]["add"],
                   "command": ["/app/fsm-interceptor", *container["args"]],
                   "environment": {"PATH": "/usr/sbin", **variables}}
    helper = pathlib.Path(__file__).with_name("run_in_container.py")
    process = subprocess.Popen(["/usr/bin/unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
                                sys.executable, helper, json.dumps(description)], text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    log = ""
    try:
        for line in process.stdout:
            log += line
            if " ready: socket=" in line:
                break
    finally:
        process.kill()
        process.communicate()
    found = dict(re.findall(r'capability="iptables \((\w+)\)" works=(\w+)', log))
    assert set(found) == {"nft", "legacy"}, log
    return found


def test_nothing_is_in_it_that_could_be_misused(root):
    found = {path.name for folder in ("bin", "usr/bin", "usr/sbin", "sbin") if (root / folder).is_dir()
             for path in (root / folder).iterdir()}
    assert all("tables" in name for name in found), found
    assert not [path for path in root.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o6000]


def test_licences_are_in_it(root):
    names = {path.name for path in (root / "usr/share/doc/fsm").iterdir()}
    assert names == {"LICENSE", "LICENSE.bpf"}


def archive(build, target):
    subprocess.run([REPOSITORY / "scripts/build-image.sh", "--build", build, "--output", target,
                    "--name", NAME], check=True, timeout=120, capture_output=True,
                   env={**os.environ, "TMPDIR": str(target.parent)})
    return target


def test_same_build_gives_the_same_archive(build, tmp_path):
    first, second = (archive(build, tmp_path / name) for name in ("first.tar", "second.tar"))
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))[0]
        config = json.load(tar.extractfile(manifest["Config"]))["config"]
    assert manifest["RepoTags"] == [NAME]
    assert len(manifest["Layers"]) == 1
    assert config["Entrypoint"] == ["/app/fsm-interceptor"]
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".tar"], "something was left"


def test_build_folder_without_programs_is_refused(tmp_path):
    done = subprocess.run([REPOSITORY / "scripts/build-image.sh", "--build", tmp_path, "--output",
                           tmp_path / "x.tar"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"no fsm-interceptor and fsm-cni in {tmp_path}: build them first" in done.stderr
