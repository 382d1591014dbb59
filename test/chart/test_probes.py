"""The kubelet's probes: they must not depend on anything that can be edited while the pod runs."""

import yaml


def test_probes_ask_the_socket_and_read_no_configuration(chart):
    objects = chart.render()
    container = objects.container
    socket = yaml.safe_load(objects.config_text)["socket"]
    for name, command in (("livenessProbe", "healthz"), ("readinessProbe", "readyz")):
        words = container[name]["exec"]["command"]
        assert words[1:] == [command, "--socket", socket]


def test_the_pod_knows_its_own_name_for_events(chart):
    fields = {each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"]
              for each in chart.render().container["env"] if "valueFrom" in each}
    assert fields["POD_NAMESPACE"] == "metadata.namespace"
    assert fields["POD_NAME"] == "metadata.name"
    assert fields["POD_UID"] == "metadata.uid"
