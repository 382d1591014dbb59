"""The rules by themselves (promtool), and what the documents say of them."""

import json
import re
import subprocess

import pytest
import yaml

from harness import programs

FILES = programs.REPOSITORY / "charts/fsm/files"
RULES = FILES / "rules.yaml"
CASES = yaml.safe_load((programs.REPOSITORY / "test/metrics/alert_cases.yaml").read_text())
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"]
          for rule in group["rules"] if "alert" in rule}
MINUTES = 40  # longer than any alert waits


def promtool(*words, **options):
    return subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True,
                          check=False, timeout=60, **options)


def test_rules_are_valid():
    checked = promtool("check", "rules", RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def waits(alert):
    return int(re.fullmatch(r"(\d+)m", ALERTS[alert]["for"])[1])


# What promtool expects of an alert that fires: its labels, and its annotations with the values in them.
def expected(alert, case):
    return {"exp_labels": {"severity": ALERTS[alert]["labels"]["severity"], **case["labels"]},
            "exp_annotations": {"summary": case["summary"],
                                "runbook": ALERTS[alert]["annotations"]["runbook"]}}


def run_case(tmp_path, alert, series, checks):
    path = tmp_path / "rules_test.yaml"
    path.write_text(yaml.safe_dump({
        "rule_files": [str(RULES)],
        "evaluation_interval": "30s",
        "tests": [{
            "interval": "30s",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [{"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": alerts}
                                for minute, alerts in checks]}]}))
    tested = promtool("test", "rules", path)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_fires_when_it_should_and_not_before(alert, tmp_path):
    case = CASES[alert]
    run_case(tmp_path, alert, case["fires"],
             [(waits(alert) - 1, []), (MINUTES, [expected(alert, case)])])


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_does_not_fire(alert, tmp_path):
    run_case(tmp_path, alert, CASES[alert]["silent"],
             [(minute, []) for minute in (5, waits(alert) + 1, MINUTES)])


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_ends_with_its_cause(alert, tmp_path):
    case = CASES[alert]
    run_case(tmp_path, alert, case["ends"],
             [(MINUTES, [expected(alert, case)]), (3 * MINUTES, [])])


def test_there_is_a_case_for_every_alert():
    assert set(CASES) == set(ALERTS)


def test_every_alert_has_its_chapter_and_no_other():
    text = (programs.REPOSITORY / "docs/alerts.md").read_text()
    assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == list(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook"] == f"docs/alerts.md#{name.lower()}"
    chapters = dict(re.findall(r"^## (\w+)\n\n(.*?)(?=\n## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert all(len(chapter) > 100 for chapter in chapters.values())


def test_names_keep_to_the_conventions(mesh, interceptor):
    """With pods, so that every series is there."""
    mesh.member("web")
    page = interceptor.get_text("/metrics")
    checked = promtool("check", "metrics", input=page)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert {"fsm_program_run_seconds_total", "fsm_pod_source_connected", "fsm_condition"} <= \
        set(re.findall(r"^# TYPE (\w+)", page, re.MULTILINE))


def test_dashboard_is_one_that_grafana_reads():
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    assert dashboard["title"] and dashboard["uid"] and dashboard["panels"]
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in dashboard["panels"]:
        assert panel["targets"] and panel["description"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)
