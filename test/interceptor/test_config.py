"""check-config: valid, or an error with file, line and key."""

import pytest


def check(instance, text, *flags):
    path = instance.directory / "given.yaml"
    path.write_text(text)
    return instance.command("check-config", "--config", path, *flags)


def test_defaults_and_every_key_are_valid(instance):
    assert check(instance, "").returncode == 0
    answer = check(instance, """
socket: /run/x.sock
stateDirectory: /run/x
bpffs: /sys/fs/bpf
bpfName: other
cgroup: ""
proc: /proc
hostVarRun: /host/var/run
profile: istio
profilesDirectory: /nonexistent
podSource: {directory: /etc/fsm/pods}
trafficInterceptionMode: iptables
inbound: tc
acceleration: "off"
outboundPortExclusionList: [5432, 6379]
inboundPortExclusionList: []
outboundIPRangeExclusionList: [10.0.0.0/8, "fd00::/8"]
outboundIPRangeInclusionList: ["*"]
networkInterfaceExclusionList: [net1]
podLookupTimeout: 500ms
unknownPods: refuse
maxPods: 10
maxPolicyEntries: 10
maxConnections: 10
unreadLimit: 65536
disabledFeatures: [acceleration, inbound-sk_lookup, connections]
logLevel: debug
logLevels: {sync: trace, api: "off"}
logFormat: json
kernelTracing: true
programStatistics: true
cni: {install: true, binDir: /b, configDir: /c, plugin: /p, hostSocket: /s, excludeNamespaces: [a]}
""")
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("text, mentions", [
    ("\nsoket: /x\n", [":2:", "soket"]),
    ("socket: [a]\n", [":1:", "socket"]),
    ("socket: relative\n", ["socket", "absolute"]),
    ("a: 1\nmaxPods: many\n", ["maxPods"]),
    ("maxPods: 0\n", [":1:", "maxPods"]),
    ("maxPods: 99999999999\n", ["maxPods"]),
    ("\n\ninbound: iptables\n", [":3:", "inbound", "sk_lookup"]),
    ("\ntrafficInterceptionMode: xdp\n", [":2:", "trafficInterceptionMode", "iptables", "none"]),
    ("acceleration: yes\n", ["acceleration", "sidecar"]),
    ("podSource: /etc\n", ["podSource"]),
    ("podSource:\n  file: /etc\n", [":2:", "podSource.file"]),
    ("outboundPortExclusionList: [1, 70000]\n", ["outboundPortExclusionList"]),
    ("outboundPortExclusionList: 80\n", ["outboundPortExclusionList"]),
    ("outboundIPRangeExclusionList: [10.0.0.1/8]\n", ["outboundIPRangeExclusionList", "10.0.0.1/8"]),
    ("podLookupTimeout: 5\n", ["podLookupTimeout", "5s"]),
    ("podLookupTimeout: 1000s\n", ["podLookupTimeout"]),
    ("unknownPods: maybe\n", ["unknownPods", "refuse"]),
    ("bpfName: a/b\n", ["bpfName"]),
    ("bpfName: ..\n", ["bpfName"]),
    ("unreadLimit: 1\n", ["unreadLimit"]),
    ("disabledFeatures: acceleration\n", ["disabledFeatures"]),
    ("\ndisabledFeatures: [interception]\n", [":2:", "disabledFeatures", "inbound-tc"]),
    ("logLevel: loud\n", ["logLevel", "debug"]),
    ("logLevels: {sync: loud}\n", ["logLevels.sync", "debug"]),
    ("logLevels: {kernel: debug}\n", ["logLevels.kernel"]),
    ("logFormat: xml\n", ["logFormat", "json"]),
    ("kernelTracing: 3\n", ["kernelTracing"]),
    ("programStatistics: 3\n", ["programStatistics"]),
    ("metricsAddress: 9091\n", ["metricsAddress", "ADDRESS:PORT"]),
    ("metricsAddress: fd00::1:9091\n", ["metricsAddress", "brackets"]),
    ("metricsAddress: 10.0.0.1:0\n", ["metricsAddress", "1 to 65535"]),
    ("cni: true\n", [":1:", "cni"]),
    ("cni:\n  install: perhaps\n", [":2:", "cni.install"]),
    ("cni:\n  binDir: opt/cni/bin\n", [":2:", "cni.binDir", "absolute"]),
    ("cni:\n  confDir: /etc\n", [":2:", "cni.confDir"]),
    ("cni:\n  excludeNamespaces: a\n", [":2:", "cni.excludeNamespaces"]),
    ("socket: /a\nsocket: /b\n", [":2:", "socket"]),
    ("socket: {\n", [":"]),
    ("- a\n", [":1:"]),
    ("socket: /a\n---\nsocket: /b\n", ["more than one"]),
    ("profile: nonsense\n", ["nonsense"]),
])
def test_mistakes_say_where(instance, text, mentions):
    answer = check(instance, text)
    assert answer.returncode == 1, answer.stdout
    for part in mentions:
        assert part in answer.stderr, answer.stderr


def test_a_missing_file_is_an_error(instance):
    answer = instance.command("check-config", "--config", "/nonexistent/config.yaml")
    assert answer.returncode == 1
    assert "/nonexistent/config.yaml" in answer.stderr


def test_flags(instance):
    accepted = ["-v", "debug", "-d", "-k", "--cni-mode", "--mesh-name", "fsm", "--fsm-namespace",
                "fsm-system", "--kubeconfig", "/x", "--fsm-config-name", "y", "--fsm-version", "1",
                "--trust-domain", "cluster.local", "--host-proc", "/proc", "--host-var-run",
                "/var/run", "--cni-bin-dir", "/opt", "--cni-config-dir", "/etc"]
    answer = check(instance, "", *accepted)
    assert answer.returncode == 0, answer.stderr
    assert check(instance, "", "-v", "loud").returncode == 1
    assert instance.command("--nonsense").returncode != 0
    assert instance.command("nonsense").returncode != 0
    assert "--kubeconfig" in instance.command("--help").stdout
    assert instance.command("version").stdout.count(".") == 2
    assert instance.command("--version").stdout == instance.command("version").stdout
