#!/usr/bin/env python3
"""Checks the rules of CONTRIBUTING.md that a program can check; what is allowed is in style.toml.

    scripts/lib/style.py                        every rule; one line for each place that breaks one
    scripts/lib/style.py --words                only the words that must not be subjects, checked or not
    scripts/lib/style.py --record-layout        after FSM_ABI_LAYOUT has been raised
    scripts/lib/style.py --record-layout same   names or comments have changed, the layout has not
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import function_lengths

RULES = "scripts/lib/style.toml"


@dataclass(frozen=True)
class Problem:
    place: str
    text: str

    def __str__(self):
        return f"{self.place}: {self.text}"


class Tree:
    """The files that are under version control, or are to be."""

    def __init__(self, root):
        self.root = Path(root)
        listed = subprocess.run(
            ["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard"],
            capture_output=True, text=True, check=True).stdout.splitlines()
        self.files = sorted({name for name in listed if (self.root / name).is_file()})
        self.rules = tomllib.loads(self.text(RULES))

    def text(self, name):
        return (self.root / name).read_text(errors="replace")

    def sources(self):
        for name in self.files:
            if name.endswith((".cpp", ".h", ".c", ".py", ".sh", ".cpp.in")):
                yield name, self.text(name)
            elif "." not in Path(name).name and self.text(name).startswith("#!"):
                yield name, self.text(name)


def every_problem(tree):
    problems = [*includes(tree), *links(tree), *layout(tree), *lengths(tree)]
    if tree.rules["words"]["checked"]:
        problems += words(tree)
    return problems


# --- who may use whom -----------------------------------------------------------------------------

def part_of(tree, name):
    """The longest entry of the table that the file is in; None: it has no rule."""
    owners = [part for part in tree.rules["arrows"]
              if name == part or name.startswith(part + "/")]
    return max(owners, key=len, default=None)


def usable_by(tree, part):
    """The parts that this one may use: what its arrows lead to, as far as that is not private."""
    arrows, private = tree.rules["arrows"], tree.rules["private"]
    found, to_do = {part}, [part]
    while to_do:
        current = to_do.pop()
        hidden = private.get(current, []) if current != part else []
        for target in set(arrows[current]) - set(hidden) - found:
            found.add(target)
            to_do.append(target)
    return found


def arrow_problem(tree, place, part, target):
    if target is None or target in usable_by(tree, part):
        return []
    if place.split(":")[0] in tree.rules["against_arrows"].get(target, []):
        return []
    return [Problem(place, f"{part} must not use {target}: the arrows are in ARCHITECTURE.md (Who may "
                           f"use whom) and {RULES}; move what is shared to where both may use it")]


def includes(tree):
    problems = []
    for name, text in tree.sources():
        part = part_of(tree, name)
        if part is None or not name.endswith((".cpp", ".h", ".c", ".cpp.in")):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            included = re.match(r'#include "([^"]+/[^"]+)"', line)
            if included:
                target = part_of(tree, included[1])
                problems += arrow_problem(tree, f"{name}:{number}", part, target)
    return problems


def links(tree):
    """The same for the libraries that CMake links."""
    commands = []
    for name in tree.files:
        part = part_of(tree, name)
        if part and name.endswith("CMakeLists.txt"):
            text = re.sub(r"#.*", "", tree.text(name))
            commands += [(name, part, command, words.split()) for command, words in re.findall(
                r"\b(add_library|target_link_libraries|fsm_bpf_object)\s*\(([^)]*)\)", text)]
    owners = {words[0]: part for _, part, command, words in commands
              if command != "target_link_libraries"}
    problems = []
    for name, part, command, words in commands:
        if command == "target_link_libraries":
            for library in words[1:]:
                problems += arrow_problem(tree, name, part, owners.get(library))
    return problems


# --- the layout of the maps -----------------------------------------------------------------------

def layout_digest(tree):
    """Of what makes the layout: comments, texts, spaces and the number itself say nothing."""
    digest = hashlib.sha256()
    for name in tree.rules["layout"]["files"]:
        source = re.sub(r"^#define FSM_ABI_LAYOUT .*$", "", tree.text(name), flags=re.MULTILINE)
        source = re.sub(r"//[^\n]*|/\*.*?\*/", " ", source, flags=re.DOTALL)
        source = re.sub(r'"[^"\n]*"', '""', source)
        source = source.replace("\\\n", " ")
        digest.update(" ".join(source.split()).encode())
    return digest.hexdigest()[:16]


def layout_number(tree):
    return int(re.search(r"^#define FSM_ABI_LAYOUT (\d+)$", tree.text("bpf/abi.h"),
                         re.MULTILINE)[1])


def layout(tree):
    recorded, number = tree.rules["layout"], layout_number(tree)
    same = layout_digest(tree) == recorded["digest"]
    if same and number == recorded["number"]:
        return []
    if not same and number <= recorded["number"]:
        return [Problem("bpf/abi.h", "what makes the layout of the maps has changed in "
                        f"{' or '.join(recorded['files'])}, and FSM_ABI_LAYOUT is still {number}: "
                        f"raise it to {recorded['number'] + 1} and run scripts/lib/style.py "
                        "--record-layout; if only names have changed: --record-layout same")]
    return [Problem("bpf/abi.h", f"FSM_ABI_LAYOUT is {number}, and {RULES} has "
                    f"{recorded['number']}: run scripts/lib/style.py --record-layout")]


def record_layout(tree, how):
    recorded, number = tree.rules["layout"], layout_number(tree)
    if number <= recorded["number"] and how != "same":
        return [Problem("bpf/abi.h", f"FSM_ABI_LAYOUT is {number}, as recorded: raise it first, or "
                        "say --record-layout same if bytes and meanings are what they were")]
    path = tree.root / RULES
    text = re.sub(r"(?m)^number = .*$", f"number = {number}", path.read_text())
    path.write_text(re.sub(r"(?m)^digest = .*$", f'digest = "{layout_digest(tree)}"', text))
    return []


# --- lengths --------------------------------------------------------------------------------------

def lengths(tree):
    problems, limits = [], tree.rules["limits"]
    files, functions = dict(tree.rules["long_files"]), dict(tree.rules["long_functions"])
    for name, text in tree.sources():
        count = len(text.splitlines())
        problems += too_long(name, name, "file", count, limits["file"], files)
        for function in function_lengths.of_source(name, text):
            problems += too_long(f"{name}:{function.line}", f"{name} {function.name}",
                                 f"function {function.name}", function.lines, limits["function"],
                                 functions)
    return problems + [Problem(RULES, f"{key} is not too long any more: take it out of the list")
                       for key in (*files, *functions)]


def too_long(place, key, what, lines, limit, excused):
    if lines <= limit:
        return []
    allowed = excused.pop(key, limit)
    if lines <= allowed:
        return []
    return [Problem(place, f"{what} has {lines} lines, {allowed} are allowed: split it by what its "
                           "parts are for")]


# --- words ----------------------------------------------------------------------------------------

def words(tree):
    rule = tree.rules["words"]
    pattern = re.compile(rule["pattern"], re.IGNORECASE)
    allowed = re.compile("|".join(rule["allowed"]))
    problems = []
    for name in tree.files:
        if name == RULES or name in rule["unchecked_files"]:
            continue
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            for found in pattern.findall(allowed.sub("", line)):
                problems.append(Problem(f"{name}:{number}", f'"{found}": name the component'))
    return problems


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=str(Path(__file__).resolve().parents[2]))
    parser.add_argument("--words", action="store_true")
    parser.add_argument("--record-layout", nargs="?", const="raised", choices=["raised", "same"])
    chosen = parser.parse_args(arguments)
    tree = Tree(chosen.root)
    if chosen.record_layout:
        problems = record_layout(tree, chosen.record_layout)
    else:
        problems = words(tree) if chosen.words else every_problem(tree)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
