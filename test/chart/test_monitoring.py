"""What Prometheus' operator and Grafana's sidecar get: nothing unless it is asked for, and the files as they
are."""

import json

import pytest
import yaml

from conftest import CHART, Refused

PORT = "fsm.fsmInterceptor.metricsPort=9091"


def enabled(part, *more):
    return [PORT, f"fsm.monitoring.{part}.enabled=true", *more]


def test_nothing_is_there_by_default(chart):
    for objects in (chart.render(), chart.render(PORT)):
        assert {kind for kind, _ in objects} & {"PodMonitor", "PrometheusRule"} == set()
        assert ("ConfigMap", "fsm-interceptor-dashboard") not in objects


def test_pod_monitor_selects_the_pods_and_their_port(chart):
    objects = chart.render(*enabled("podMonitor", "fsm.monitoring.podMonitor.labels.release=prom"))
    monitor = objects.named("PodMonitor")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["metadata"]["labels"]["release"] == "prom"
    selected = monitor["spec"]["selector"]["matchLabels"]
    assert selected.items() <= objects.pod["metadata"]["labels"].items()
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] == objects.container["ports"][0]["name"]
    assert (endpoint["path"], endpoint["interval"]) == ("/metrics", "30s")


def test_pod_monitor_without_a_port_is_refused(chart):
    with pytest.raises(Refused, match="metricsPort is 0"):
        chart.render("fsm.monitoring.podMonitor.enabled=true")


def test_rules_are_those_of_the_file(chart):
    rule = chart.render(*enabled("rules", "fsm.monitoring.rules.labels.release=prom")).named(
        "PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "prom"
    assert rule["spec"] == yaml.safe_load((CHART / "files/rules.yaml").read_text())


def test_dashboard_is_that_of_the_file(chart):
    dashboard = chart.render(*enabled("dashboard")).named("ConfigMap", "fsm-interceptor-dashboard")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    [content] = dashboard["data"].values()
    assert json.loads(content) == json.loads((CHART / "files/dashboard.json").read_text())


def test_program_statistics_reach_the_configuration(chart):
    assert chart.render().config["programStatistics"] is False
    assert chart.render("fsm.fsmInterceptor.programStatistics=true").config["programStatistics"]
