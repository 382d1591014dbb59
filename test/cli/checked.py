"""Clusters for `fsm check`: nodes, reports of interceptors, and what is found."""

import json

STATUS = {"version": "0.1.0", "conditions": [], "attachments": {"problems": []}}
OURS = [{"hook": "connect4", "id": 1, "name": "fsm_connect4"}]
CHAIN = '{"name": "n", "plugins": [{"type": "bridge"}, {"type": "fsm-cni"}]}'


def node(name, kernel="6.1.0-13-amd64", system="linux", architecture="amd64", ready="True", kubelet="v1.34.4",
         labels=None):
    return {"metadata": {"name": name, "labels": labels or {}},
            "status": {"conditions": [{"type": "Ready", "status": ready}],
                       "nodeInfo": {"kernelVersion": kernel, "operatingSystem": system,
                                    "architecture": architecture, "kubeletVersion": kubelet}}}


def report(chain=CHAIN, **changes):
    return {"kernel": {"btf": True}, "cgroup2": {"path": "/host/cgroup"},
            "bpffs": {"mounted": True, "path": "/sys/fs/bpf"}, "appArmor": {"enabled": False},
            "cgroupPrograms": OURS, "unavailable": [],
            "cniConfigurations": {"path": "/host/etc/cni/net.d",
                                  "files": [{"name": "10-net.conflist", "text": chain}]}, **changes}


def other(name, namespace="kube-system"):
    return {"metadata": {"name": name, "namespace": namespace}}


def check(terminal, *words):
    """{(check, node): (result, message, remedy)}, the exit status, and the errors."""
    done = terminal.fsm("check", "-o", "json", *words)
    document = json.loads(done.stdout)
    found = {(each["check"], each["node"]): (each["result"], each["message"], each["remedy"])
             for each in document["checks"]}
    results = [each["result"] for each in document["checks"]]
    worst = next(each for each in ("error", "warning", "ok") if each in results)
    assert document["result"] == worst
    assert done.returncode == (1 if worst == "error" else 0)
    assert ("the check found" in done.stderr) == (worst == "error")
    for result, message, remedy in found.values():
        assert result == "ok" or remedy, f"{message}: no remedy"
    return found


def complaints(found):
    return {key: value for key, value in found.items() if value[0] != "ok"}


def only(found, name, where=""):
    """The one complaint."""
    assert set(complaints(found)) == {(name, where)}, complaints(found)
    return found[name, where]


def with_cilium(cluster, **config):
    cluster.kubectl.answers("get", "daemonsets.apps", "--all-namespaces", "--output",
                            output={"items": [other("cilium")]})
    cluster.kubectl.answers("get", "daemonsets.apps", "--selector", output={"items": []})
    cluster.kubectl.answers("get", "configmap", "cilium-config", "kube-system", output={
        "data": {key.replace("_", "-"): value for key, value in config.items()}})
