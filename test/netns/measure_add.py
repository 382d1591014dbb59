#!/usr/bin/python3
"""Measures CNI ADD and the memory of the interceptor, and prints JSON.

    measure_add.py [--pods 100] [--rounds 5] [--many 500]

Rounds of `pods` pods being added at once, each beside as many processes that only copy their input:
what the machine takes for the processes alone. Then `many` pods on one node and what the interceptor
keeps resident. Needs root. FSM_BUILD_DIR says where the programs are.
"""

import argparse
import json
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

# pylint: disable=wrong-import-position
from harness import programs  # noqa: E402
from harness.adding import (  # noqa: E402
    add_at_once, copy_at_once, describe_pods, wait_until_quiet)
from harness.interceptor import Interceptor  # noqa: E402
from harness.node import Node  # noqa: E402

GOAL_P99_MS = 20
GOAL_RESIDENT_KB = 25 * 1024


def add_pods(interceptor, node, count, name):
    pods = node.many_pods([f"{name}-{number}" for number in range(count)])
    describe_pods(interceptor, pods)
    wait_until_quiet()
    return add_at_once(interceptor, pods)


def median_p99(rounds):
    return statistics.median(times.p99 for times in rounds)


def measure(pods, rounds, many):
    node = Node()
    try:
        interceptor = Interceptor(node, logLevel="info")
        try:
            interceptor.start()
            empty = interceptor.resident_kilobytes()
            results, copies = [], []
            for number in range(rounds):
                results.append(add_pods(interceptor, node, pods, f"round{number}"))
                copies.append(copy_at_once(pods))
            for number in range(max(0, many - pods * rounds + pods - 1) // pods):
                add_pods(interceptor, node, min(pods, many), f"more{number}")
            full = interceptor.resident_kilobytes()
            enrolled = len(interceptor.pods())
        finally:
            interceptor.remove()
    finally:
        node.delete()
    return {
        "add": {"rounds": [result.to_json() for result in results],
                "p99_ms_median_of_rounds": median_p99(result.whole for result in results),
                "p99_ms_of_copying_alone": median_p99(copies), "goal_ms": GOAL_P99_MS},
        "resident": {"kilobytes_without_pods": empty, "pods": enrolled, "kilobytes": full,
                     "goal_kilobytes": GOAL_RESIDENT_KB},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pods", type=int, default=100, help="added at once")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=500, help="pods when memory is measured")
    options = parser.parse_args()
    programs.require()
    print(json.dumps(measure(options.pods, options.rounds, options.many), indent=2))


if __name__ == "__main__":
    main()
