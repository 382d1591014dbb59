#!/usr/bin/env python3
"""Draws the chart of a benchmark from its own output; every row that was measured is in it, the slower ones too.

    scripts/bench.sh --json >docs/pictures/benchmark.json
    scripts/draw/benchmark.py docs/pictures/benchmark.json >docs/pictures/benchmark.svg
"""

import json
import pathlib
import sys

sys.dont_write_bytecode = True

from svg import BLUE, GREEN, GREY, INK, ORANGE, Picture  # noqa: E402  # after the setting

WORKLOADS = {"keepalive": "requests, kept alive", "connect": "new connections",
             "stream": "one stream", "streams": "16 streams"}
MODES = {"off": GREY, "sidecar": BLUE, "full": GREEN}
LEFT, WIDTH, BAR, GAP = 230, 560, 9, 12


def human_size(size):
    for unit, name in ((1 << 20, "MB"), (1 << 10, "KB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def groups_of(rows):
    """{(workload, size): {mode: times iptables}}, as they were measured."""
    groups = {}
    for row in rows:
        if row["mode"] in MODES and row["vs_iptables"] is not None:
            groups.setdefault((row["workload"], row["size"]), {})[row["mode"]] = row["vs_iptables"]
    return groups


def caption(about):
    return (f"{about['machine']}, Linux {about['kernel']}, {about['date']}: medians of "
            f"{about['rounds']} rounds of {about['seconds']} s, modes in turn (scripts/bench.sh)")


def legend(picture):
    x = LEFT
    for mode, colour in MODES.items():
        picture.bar(x, 44, 12, 12, colour)
        picture.text(x + 18, 55, mode, size=12, anchor="start")
        x += 100
    picture.line([(x, 50), (x + 14, 50)], ORANGE)
    picture.text(x + 20, 55, "the mesh's iptables rules", size=12, anchor="start")


def axis(picture, scale, most, top, bottom):
    step = 0.5 if most <= 4 else 1
    for number in range(int(most / step) + 1):
        x = LEFT + number * step * scale
        picture.line([(x, top), (x, bottom)], "#e4e7eb", 1)
        picture.text(x, bottom + 15, f"{number * step:g}", size=11, colour=GREY)
    picture.line([(LEFT + scale, top), (LEFT + scale, bottom)], ORANGE)


def group(picture, y, name, ratios, scale):
    picture.text(LEFT - 10, y + BAR * 1.5 + 5, name, size=12, anchor="end")
    for number, (mode, ratio) in enumerate(ratios.items()):
        top = y + number * (BAR + 1)
        picture.bar(LEFT, top, ratio * scale, BAR, MODES[mode])
        picture.text(LEFT + ratio * scale + 4, top + BAR - 0.5, f"{ratio:.2f}", size=9, colour=INK,
                     anchor="start")


def draw(result):
    groups = groups_of(result["rows"])
    if not groups:
        raise ValueError("no row compares a mode with iptables: were both among --modes?")
    most = max(ratio for ratios in groups.values() for ratio in ratios.values())
    scale = WIDTH / max(most, 1)
    step = 3 * (BAR + 1) + GAP
    top, bottom = 70, 70 + len(groups) * step
    picture = Picture(LEFT + WIDTH + 60, bottom + 50, "Throughput, times iptables")
    picture.text(20, 26, "Throughput, times the mesh's iptables rules", size=15, anchor="start",
                 bold=True)
    legend(picture)
    axis(picture, scale, max(most, 1), top - 6, bottom)
    for number, ((workload, size), ratios) in enumerate(groups.items()):
        group(picture, top + number * step, f"{WORKLOADS[workload]}, {human_size(size)}", ratios,
              scale)
    picture.text(20, bottom + 38, caption(result["about"]), size=11, colour=GREY, anchor="start")
    return str(picture)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        result = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
        sys.stdout.write(draw(result))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"benchmark: {sys.argv[1]} cannot be drawn: {error!r}; is it the output of "
                 "scripts/bench.sh --json?")


if __name__ == "__main__":
    main()
