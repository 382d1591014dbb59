"""The plugin and its entry in the runtime's chain: from the start to uninstall."""

import json
import os
import time

import pytest

CHAIN = """{
  "cniVersion": "0.3.1", "name": "cbr0", "mtu": 1450.0,
  "plugins": [
    {"type": "flannel", "delegate": {"hairpinMode": true}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
"""
SINGLE = '{"cniVersion": "0.4.0", "name": "bridge", "type": "bridge"}\n'


class Runtime:
    """The directories of a container runtime."""

    def __init__(self, directory):
        self.configurations = directory / "net.d"
        self.configurations.mkdir()
        self.binaries = directory / "bin"
        self.binaries.mkdir()
        (self.binaries / "bridge").write_text("another plugin")

    def plugins(self):
        """The types in the chain that a runtime would use; None if there is no chain."""
        names = sorted(path.name for path in self.configurations.iterdir()
                       if path.suffix in (".conf", ".conflist", ".json"))
        if not names:
            return None
        chosen = json.loads((self.configurations / names[0]).read_text())
        return [plugin["type"] for plugin in chosen.get("plugins", [chosen])]

    def snapshot(self):
        return {path: (path.lstat().st_mode, path.read_bytes())
                for folder in (self.configurations, self.binaries) for path in folder.iterdir()}


@pytest.fixture
def runtime(instance):
    made = Runtime(instance.directory)
    plugin = instance.directory / "plugin"
    plugin.write_text("the plugin")
    instance.config["cni"] = {
        "install": True,
        "binDir": str(made.binaries),
        "configDir": str(made.configurations),
        "plugin": str(plugin),
        "hostSocket": "/run/host/fsm-cni.sock",
        "excludeNamespaces": ["fsm-system", "kube-system"],
    }
    return made


def eventually(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("name, text", [("10-flannel.conflist", CHAIN), ("10-bridge.conf", SINGLE)])
def test_installed_when_ready_kept_when_stopped_and_gone_without_a_trace(instance, runtime, name,
                                                                         text):
    (runtime.configurations / name).write_text(text)
    (runtime.configurations / name).chmod(0o600)
    before = runtime.snapshot()
    instance.start()
    assert runtime.plugins()[-1] == "fsm-cni"
    assert (runtime.binaries / "fsm-cni").read_text() == "the plugin"
    assert os.stat(runtime.binaries / "fsm-cni").st_mode & 0o7777 == 0o755
    assert instance.get_json("/v1/status")["problems"] == []

    instance.stop()
    assert runtime.plugins()[-1] == "fsm-cni"

    removed = instance.call("uninstall")
    assert removed.returncode == 0, removed.stderr
    assert runtime.snapshot() == before


def test_entry_says_what_the_plugin_has_to_know(instance, runtime):
    (runtime.configurations / "10-flannel.conflist").write_text(CHAIN)
    instance.start()
    eventually(lambda: runtime.plugins()[-1] == "fsm-cni")
    chain = json.loads((runtime.configurations / "10-flannel.conflist").read_text())
    assert chain["plugins"][-1] == {
        "type": "fsm-cni",
        "socket": "/run/host/fsm-cni.sock",
        "state_dir": "/run/host/state",  # beside the socket, there as here
        "kubernetes": {"exclude_namespaces": ["fsm-system", "kube-system"]},
    }


def test_entry_goes_into_the_folder_of_a_network_without_a_list_of_plugins(instance, runtime):
    (runtime.configurations / "10-net.conflist").write_text('{"cniVersion":"1.1.0","name":"net"}')
    folder = runtime.configurations / "net"
    folder.mkdir()
    (folder / "10-flannel.conf").write_text('{"type":"flannel"}')
    instance.start()
    entry = folder / "99-fsm-cni.conf"
    assert json.loads(entry.read_text())["type"] == "fsm-cni"
    assert instance.get_json("/v1/status")["problems"] == []
    assert "plugins" not in (runtime.configurations / "10-net.conflist").read_text()

    entry.unlink()
    eventually(entry.exists)

    instance.stop()
    removed = instance.call("uninstall")
    assert removed.returncode == 0, removed.stderr
    assert [path.name for path in folder.iterdir()] == ["10-flannel.conf"]


def test_entry_goes_where_the_configuration_says(instance, runtime):
    podman, crio = (runtime.configurations / name
                    for name in ("00-podman.conflist", "10-crio.conflist"))
    podman.write_text(CHAIN.replace("cbr0", "podman"))
    crio.write_text(CHAIN.replace("cbr0", "crio"))
    instance.start()
    assert "fsm-cni" in podman.read_text() and "fsm-cni" not in crio.read_text()
    instance.stop()

    instance.config["cni"]["configuration"] = "crio"
    instance.start()
    assert "fsm-cni" in crio.read_text()
    assert podman.read_text() == CHAIN.replace("cbr0", "podman")
    instance.stop()

    instance.config["cni"]["configuration"] = "elsewhere"
    instance.start(until="/healthz")
    eventually(lambda: any("no CNI configuration elsewhere" in problem
                           for problem in instance.get_json("/v1/status")["problems"]))
    assert instance.get("/readyz")[0] == 503


def test_waits_for_a_network_and_says_so(instance, runtime):
    instance.start(until="/healthz")
    eventually(lambda: any("no CNI configuration" in problem and str(runtime.configurations) in problem
                           for problem in instance.get_json("/v1/status")["problems"]))
    status, body = instance.get("/readyz")
    assert status == 503 and "do not call the CNI plugin yet" in body and "no CNI conf" in body
    unfinished = runtime.configurations / "unfinished"
    unfinished.write_text(CHAIN)
    unfinished.rename(runtime.configurations / "10-flannel.conflist")
    eventually(lambda: runtime.plugins()[-1] == "fsm-cni")
    eventually(lambda: instance.get_json("/v1/status")["problems"] == [])
    assert instance.get("/readyz")[0] == 200


def test_puts_the_entry_back_and_names_the_file(instance, runtime):
    path = runtime.configurations / "10-flannel.conflist"
    path.write_text(CHAIN)
    instance.start()
    eventually(lambda: runtime.plugins()[-1] == "fsm-cni")
    for _ in range(2):
        path.write_text(CHAIN)
        eventually(lambda: runtime.plugins()[-1] == "fsm-cni")
    eventually(lambda: any(f"{path} 2 times" in problem
                           for problem in instance.get_json("/v1/status")["problems"]))
    assert f"removed fsm-cni from the chain in {path}" in instance.log.read_text()


def test_nothing_is_installed_without_being_told(instance, runtime):
    instance.config["cni"]["install"] = False
    (runtime.configurations / "10-flannel.conflist").write_text(CHAIN)
    before = runtime.snapshot()
    instance.start()
    instance.stop()
    assert instance.call("uninstall").returncode == 0
    assert runtime.snapshot() == before


def test_uninstall_says_what_it_could_not_do_and_does_the_rest(instance, runtime):
    path = runtime.configurations / "10-flannel.conflist"
    path.write_text(CHAIN)
    instance.start()
    eventually(lambda: runtime.plugins()[-1] == "fsm-cni")
    instance.stop()
    original = runtime.configurations / ".10-flannel.conflist.fsm-original"
    original.unlink()
    blocker = runtime.configurations / ".10-flannel.conflist.fsm-new"
    (blocker / "full").mkdir(parents=True)  # cannot be written where a directory is

    removed = instance.call("uninstall")

    assert removed.returncode == 1
    assert str(blocker) in removed.stderr
    assert not instance.state.exists()
    # If a chain names a missing plugin, no pod starts.
    assert runtime.plugins()[-1] == "fsm-cni"
    assert (runtime.binaries / "fsm-cni").exists()

    (blocker / "full").rmdir()
    blocker.rmdir()
    assert instance.call("uninstall").returncode == 0
    assert path.read_text() == CHAIN
    assert not (runtime.binaries / "fsm-cni").exists()


def test_flags_of_fsm_install_too(instance, runtime):
    """Started as by FSM's own DaemonSet."""
    instance.config.pop("cni")
    (runtime.configurations / "10-flannel.conflist").write_text(CHAIN)
    answer = instance.call("check-config", "--mesh-name", "fsm", "--fsm-namespace", "fsm-system",
                           "--fsm-config-name", "fsm-mesh-config", "--fsm-version", "1.4.0",
                           "--trust-domain", "cluster.local", "--cni-mode",
                           "--cni-bin-dir", runtime.binaries,
                           "--cni-config-dir", runtime.configurations, "-v", "info", "-d")
    assert answer.returncode == 0, answer.stderr
    listing = instance.command("--help").stdout
    for flag in ("--mesh-name", "--fsm-namespace", "--fsm-config-name", "--fsm-version",
                 "--trust-domain", "--kubeconfig", "--kind", "--cni-mode", "--host-proc",
                 "--cni-bin-dir", "--cni-config-dir", "--host-var-run", "--verbosity",
                 "--kernel-tracing"):
        assert flag in listing, flag
