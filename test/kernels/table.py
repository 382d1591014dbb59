"""Writes the results of the suite `kernels` into the table of docs/kernels.md.

    table.py RESULTS_FOLDER MATRIX DOCUMENT

The table is what stands between the two marks. A kernel without a result keeps the column that it has.
"""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts/lib"))

# pylint: disable=wrong-import-position
from junit_counts import counts  # noqa: E402

BEGIN = "<!-- results: begin (scripts/test.sh kernels) -->"
END = "<!-- results: end -->"
SUITES = {"bpf.xml": "BPF programs: passed / failed / skipped",
          "netns.xml": "pods in namespaces: passed / failed / skipped"}


def main(results, matrix, document):
    text = document.read_text()
    before, rest = text.split(BEGIN)
    old, after = rest.split(END)
    columns = parse(old)
    for name, architecture in kernels(matrix):
        found = read(results / name, architecture)
        if found:
            columns[name] = found
    known = [name for name, _ in kernels(matrix) if name in columns]
    document.write_text(f"{before}{BEGIN}\n{render(known, columns)}{END}{after}")


def kernels(matrix):
    for line in matrix.read_text().splitlines():
        if line and not line.startswith("#"):
            yield line.split()[:2]


def read(folder, architecture):
    """What a kernel's column says, row by row; None when nothing of it has been run."""
    if not (folder / "kernel.txt").exists():
        return None
    column = {"kernel": (folder / "kernel.txt").read_text().strip(), "architecture": architecture}
    for file, row in SUITES.items():
        if (folder / file).exists():
            column[row] = " / ".join(str(number) for number in counts(folder / file))
    if (folder / "capabilities.json").exists():
        column.update(capabilities(folder / "capabilities.json"))
    return column


def capabilities(file):
    column = {}
    found = json.loads(file.read_text())
    programs = [each for each in found["capabilities"] if each["name"].startswith("program ")]
    loaded = sum(each["works"] for each in programs)
    column["optional programs that load"] = f"{loaded} of {len(programs)}"
    for capability in found["capabilities"]:
        if capability not in programs:
            column[capability["name"]] = "yes" if capability["works"] else "no"
    column["`auto` accelerates"] = found["acceleration"]
    return column


def render(names, columns):
    rows = list(dict.fromkeys(row for name in names for row in columns[name]))
    lines = ["| | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for row in rows:
        cells = " | ".join(columns[name].get(row, "") for name in names)
        lines.append(f"| {row} | {cells} |")
    return "\n".join(lines) + "\n"


def parse(table):
    """The columns of a table that render() has made."""
    lines = [[cell.strip() for cell in line.strip().strip("|").split("|")]
             for line in table.strip().splitlines()]
    if len(lines) < 2:
        return {}
    names = lines[0][1:]
    return {name: {line[0]: line[index + 1] for line in lines[2:]} for index, name in enumerate(names)}


if __name__ == "__main__":
    main(*(pathlib.Path(argument) for argument in sys.argv[1:]))
