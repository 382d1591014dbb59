"""The pictures that are checked in are those that their scripts draw."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PICTURES = REPOSITORY / "docs/pictures"
DRAW = REPOSITORY / "scripts/draw"
SAMPLE = {
    "about": {"machine": "2 processors of a kind", "kernel": "6.1", "date": "2026-11-27", "rounds": 5,
              "seconds": 2},
    "rows": [{"workload": workload, "size": size, "mode": mode, "value": 1, "unit": "x",
              "vs_iptables": ratio, "vs_direct": None}
             for workload, size in (("keepalive", 64), ("stream", 1024))
             for mode, ratio in (("iptables", 1.0), ("off", 1.25), ("sidecar", 1.5), ("full", 0.52))],
}


def draw(script, *arguments):
    return subprocess.run([sys.executable, DRAW / script, *arguments], capture_output=True,
                          text=True, check=False)


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter()
            if element.tag.endswith("}text")]


def test_overview_is_what_its_script_draws():
    drawn = draw("overview.py")
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout == (PICTURES / "overview.svg").read_text(), \
        "run scripts/draw/overview.py >docs/pictures/overview.svg"
    assert "application" in texts(drawn.stdout)


def test_chart_is_what_its_script_draws_of_the_benchmarks_output():
    output, chart = PICTURES / "benchmark.json", PICTURES / "benchmark.svg"
    assert output.exists() == chart.exists()
    named = "docs/pictures/benchmark.svg" in (REPOSITORY / "README.md").read_text()
    assert chart.exists() == named
    if chart.exists():
        drawn = draw("benchmark.py", output)
        assert drawn.stdout == chart.read_text(), drawn.stderr


def test_chart_has_every_row_and_says_where_it_comes_from(tmp_path):
    output = tmp_path / "benchmark.json"
    output.write_text(json.dumps(SAMPLE))
    words = texts(draw("benchmark.py", output).stdout)
    assert words.count("1.25") == words.count("0.52") == 2
    assert "one stream, 1 KB" in words and "requests, kept alive, 64 B" in words
    caption = words[-1]
    for fact in ("2 processors of a kind", "6.1", "2026-11-27", "5 rounds of 2 s"):
        assert fact in caption


@pytest.mark.parametrize("content", ["", "{}", '{"rows": []}', json.dumps({**SAMPLE, "rows": []})])
def test_what_is_no_output_of_the_benchmark_is_refused(tmp_path, content):
    output = tmp_path / "benchmark.json"
    output.write_text(content)
    refused = draw("benchmark.py", output)
    assert refused.returncode == 1 and refused.stdout == ""
    assert str(output) in refused.stderr and "scripts/bench.sh --json" in refused.stderr
