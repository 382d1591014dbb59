"""Measures interception: no mesh, the mesh's own iptables rules, and this project in each scope.

Two pods a mode, each a network namespace behind one bridge; HAProxy with one thread is the sidecar
on both sides (idle in `direct`). All pods exist from the start, and only the mode whose turn it is
has work to do. Modes take turns within a round, in an order that changes from round to round; what
is reported is the median over the rounds.
"""

import argparse
import json
import pathlib
import random
import signal
import statistics
import sys
import time

import pods
from interceptor import Interceptor
from pods import BenchError, Node, Pod, SIDECAR_UID, run

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
MODES = ("direct", "iptables", "off", "sidecar", "full")
OURS = ("off", "sidecar", "full")
PORT = 9000
KIB = 1024
SIZES = (64, 1 * KIB, 4 * KIB, 16 * KIB, 64 * KIB, 1024 * KIB)

# What each workload runs in the client pod, for a message size, and what its result is called.
WORKLOADS = {
    "keepalive": ("requests/s", SIZES,
                  lambda size: ["load", "--connections", 32, "--request", 64, "--response", size],
                  "requests_per_second"),
    "connect": ("connections/s", (64, 16 * KIB),
                lambda size: ["connects", "--concurrency", 32, "--size", size], "per_second"),
    "stream": ("Gbit/s", (64, 1 * KIB, 16 * KIB, 64 * KIB, 1024 * KIB),
               lambda size: ["bulk", "--connections", 1, "--size", size], "gbit_per_second"),
    "streams": ("Gbit/s", (64, 1 * KIB, 16 * KIB, 64 * KIB, 1024 * KIB),
                lambda size: ["bulk", "--connections", 16, "--size", size], "gbit_per_second"),
}
QUICK_SIZES = {"keepalive": (1 * KIB,), "connect": (64,), "stream": (64 * KIB,),
               "streams": (64 * KIB,)}


class Pair:
    """A client and a server pod whose traffic is intercepted in one way."""

    def __init__(self, node, mode, chain, stream):
        self.mode = mode
        self._stream = stream
        self.server = Pod(node, f"server-{mode}", chain)
        self.client = Pod(node, f"client-{mode}", chain)
        configuration = pathlib.Path(__file__).with_name("haproxy.cfg")
        for pod in (self.server, self.client):
            pod.start("haproxy", "-db", "-f", configuration, uid=SIDECAR_UID)
            if mode == "iptables":
                run([REPOSITORY / "test/harness/iptables_mesh.sh", "install", "--profile", "fsm",
                     "--netns", pod.netns])
        self.server.start(stream, "server", "--port", PORT)
        for pod in (self.server, self.client):
            pod.wait_for_listener(15003)
        self.server.wait_for_listener(PORT)

    def measure(self, workload, size, seconds):
        _, _, arguments, key = WORKLOADS[workload]
        output = self.client.inside(self._stream, *arguments(size), "--seconds", seconds,
                                    "--address", self.server.address, "--port", PORT)
        result = json.loads(output)
        wrong = result.get("refused", 0) + result.get("other", 0)
        if wrong:
            raise BenchError(f"{workload}, {size} bytes, {self.mode}: {wrong} connections failed: "
                             f"{output.strip()}")
        return float(result[key])


def measure_all(pairs, plan, rounds, seconds, progress):
    """{(workload, size, mode): [a value a round]}. `plan` is a list of (workload, size)."""
    values = {}
    order = list(pairs)
    for number in range(rounds):
        for workload, size in plan:
            random.Random(number).shuffle(order)
            for pair in order:
                value = pair.measure(workload, size, seconds)
                values.setdefault((workload, size, pair.mode), []).append(value)
            progress(f"round {number + 1}/{rounds}: {workload}, {size} bytes")
    return values


def rows_of(values, plan, modes):
    def ratio(value, workload, size, mode):
        base = values.get((workload, size, mode))
        return round(value / statistics.median(base), 3) if base else None

    rows = []
    for workload, size in plan:
        for mode in modes:
            value = statistics.median(values[workload, size, mode])
            rows.append({"workload": workload, "size": size, "mode": mode,
                         "value": round(value, 3), "unit": WORKLOADS[workload][0],
                         "vs_iptables": ratio(value, workload, size, "iptables"),
                         "vs_direct": ratio(value, workload, size, "direct")})
    return rows


def human_size(size):
    for unit, name in ((KIB * KIB, "MB"), (KIB, "KB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def print_table(rows, modes, rounds, seconds):
    print(f"{'workload':10} {'size':>6}  " + "".join(f"{mode:>20}" for mode in modes) + "  unit")
    for workload, size in dict.fromkeys((row["workload"], row["size"]) for row in rows):
        cells = ""
        for row in rows:
            if (row["workload"], row["size"]) == (workload, size):
                number = row["value"]
                text = f"{number:,.0f}" if number >= 1000 else f"{number:.2f}"
                ratio = f" {row['vs_iptables']:.2f}x" if row["vs_iptables"] is not None else ""
                cells += f"{text + ratio:>20}"
                unit = row["unit"]
        print(f"{workload:10} {human_size(size):>6}  {cells}  {unit}")
    print(f"(x: times iptables; medians of {rounds} rounds of {seconds} s, modes in turn)")


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="rows for programs, not a table")
    parser.add_argument("--quick", action="store_true",
                        help="one size a workload, one round of one second")
    parser.add_argument("--rounds", type=int, help="default 5, with --quick 1")
    parser.add_argument("--seconds", type=int, help="of one measurement; default 2, quick 1")
    parser.add_argument("--modes", default=",".join(MODES), help=f"default {','.join(MODES)}")
    parser.add_argument("--workloads", default=",".join(WORKLOADS),
                        help=f"default {','.join(WORKLOADS)}")
    parser.add_argument("--sizes", help="bytes, comma-separated; instead of each workload's own")
    parser.add_argument("--inbound", default="auto", choices=("auto", "sk_lookup", "tc"))
    parser.add_argument("--build", type=pathlib.Path, default=REPOSITORY / "build/release",
                        help="folder of the binaries to measure")
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 5)
    chosen.seconds = chosen.seconds or (1 if chosen.quick else 2)
    for name, known in (("modes", MODES), ("workloads", tuple(WORKLOADS))):
        picked = getattr(chosen, name).split(",")
        unknown = [each for each in picked if each not in known]
        if unknown:
            parser.error(f"--{name}: no {', '.join(unknown)}; there are {', '.join(known)}")
        setattr(chosen, name, [each for each in known if each in picked])
    if chosen.sizes:
        chosen.sizes = [int(size) for size in chosen.sizes.split(",")]
    return chosen


def plan_of(chosen):
    plan = []
    for workload in chosen.workloads:
        sizes = chosen.sizes or (QUICK_SIZES if chosen.quick else
                                 {workload: WORKLOADS[workload][1]})[workload]
        plan += [(workload, size) for size in sizes]
    return plan


def bench(chosen, node, progress):
    stream = chosen.build / "test/bin/stream"
    ours = [mode for mode in chosen.modes if mode in OURS]
    interceptor = None
    if ours:
        interceptor = Interceptor(node, chosen.build, chosen.inbound)
        for mode in ours:
            interceptor.add_manifest(f"server-{mode}", mode)
            interceptor.add_manifest(f"client-{mode}", mode)
        interceptor.start()
    try:
        pairs = [Pair(node, mode, interceptor.chain() if mode in OURS else (), stream)
                 for mode in chosen.modes]
        plan = plan_of(chosen)
        values = measure_all(pairs, plan, chosen.rounds, chosen.seconds, progress)
        if interceptor:
            interceptor.check_scopes(ours)
        return rows_of(values, plan, chosen.modes)
    finally:
        node.close(interceptor.uninstall if interceptor else None)


def main():
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def progress(text):
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    started = time.monotonic()
    try:
        rows = bench(chosen, Node(), progress)
    except BenchError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        progress("")
    if chosen.json:
        print(json.dumps({"rows": rows}, indent=1))
    else:
        print_table(rows, chosen.modes, chosen.rounds, chosen.seconds)
        print(f"({time.monotonic() - started:.0f} s in all)")


if __name__ == "__main__":
    main()
