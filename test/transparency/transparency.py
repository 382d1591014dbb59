#!/usr/bin/python3
"""Can the processes of two pods distinguish two mechanisms of interception?

  transparency.py observe --programs DIR --mechanism iptables --out DIR
  transparency.py observe --programs DIR --mechanism external --enrol-command CMD --out DIR
  transparency.py compare BASELINE OBSERVED --mechanism sk_lookup --scope off
  transparency.py stability --programs DIR --out DIR --rounds 3
"""

import argparse
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

# pylint: disable=wrong-import-position
import compare  # noqa: E402
import observe  # noqa: E402
from mechanisms import External, Iptables, NoMechanism  # noqa: E402
from pods import SetupError  # noqa: E402


def add_observe_options(parser):
    parser.add_argument("--programs", required=True, help="directory of relay and probe")
    parser.add_argument("--out", required=True)
    parser.add_argument("--prefix", default="tp", help="of namespaces and interfaces")
    parser.add_argument("--network", type=int, default=77, help="10.N.x.0/24 is used")
    parser.add_argument("--family", nargs="+", choices=observe.FAMILIES,
                        default=list(observe.FAMILIES))
    parser.add_argument("--case", nargs="+", help="only these")
    parser.add_argument("--relay-options", help="further options of both sidecars")


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest="mode", required=True)

    observing = modes.add_parser("observe", help="run the probe and keep what was seen")
    add_observe_options(observing)
    observing.add_argument("--mechanism", required=True, choices=("none", "iptables", "external"))
    observing.add_argument("--profile", default="fsm", help="whose iptables rules")
    observing.add_argument("--enrol-command")
    observing.add_argument("--withdraw-command")

    comparing = modes.add_parser("compare", help="judge one observation by another")
    comparing.add_argument("baseline")
    comparing.add_argument("observed")
    comparing.add_argument("--mechanism", required=True, help="sk_lookup, tc, ...")
    comparing.add_argument("--scope", required=True, help="off, sidecar, full")
    comparing.add_argument("--expected", default=HERE / "expected_differences.yaml")

    stable = modes.add_parser("stability", help="iptables against iptables must not differ")
    add_observe_options(stable)
    stable.add_argument("--profile", default="fsm")
    stable.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def mechanism_of(arguments):
    if arguments.mechanism == "none":
        return NoMechanism()
    if arguments.mechanism == "iptables":
        return Iptables(arguments.profile)
    if not arguments.enrol_command:
        raise SetupError("--mechanism external needs --enrol-command")
    return External(arguments.enrol_command, arguments.withdraw_command)


def report(verdict):
    print(f"{verdict.facts} facts, {len(verdict.listed)} expected differences, "
          f"{len(verdict.unlisted)} unexpected, {len(verdict.stale)} stale entries")
    for difference in verdict.unlisted:
        print(f"  unexpected: {difference}")
    for entry in verdict.stale:
        print(f"  stale: {entry.case} {entry.fact} ({entry.mechanism}, {entry.scope})")
    return 0 if verdict.good else 1


def run_compare(arguments):
    return report(compare.judge(compare.load_observation(arguments.baseline),
                                compare.load_observation(arguments.observed),
                                compare.load_expected(arguments.expected),
                                arguments.mechanism, arguments.scope))


def run_stability(arguments):
    base = pathlib.Path(arguments.out)
    status = 0
    for number in range(arguments.rounds):
        arguments.out = str(base / str(number))
        observe.observe(arguments, Iptables(arguments.profile))
        if number > 0:
            verdict = compare.judge(compare.load_observation(base / "0"),
                                    compare.load_observation(base / str(number)), [], "iptables",
                                    "off")
            status |= report(verdict)
    return status


def main():
    arguments = parse()
    try:
        if arguments.mode == "observe":
            observe.observe(arguments, mechanism_of(arguments))
            return 0
        if arguments.mode == "compare":
            return run_compare(arguments)
        return run_stability(arguments)
    except (SetupError, ValueError) as error:
        print(f"transparency: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
