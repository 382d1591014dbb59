"""Measures throughput with no mesh, with the mesh's own iptables rules, and with this project in each
scope.

Two pods a mode, each a network namespace behind one bridge; HAProxy with one thread is the sidecar
on both sides (idle in `direct`). All pods exist from the start, and only the mode whose turn it is
has work to do. The pods of `direct` and `iptables` are on a node and in a cgroup of their own, where
none of our programs is attached. Modes take turns within a round, in an order that changes from
round to round; what is reported is the median over the rounds.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "test"))

# pylint: disable=wrong-import-position
from harness import programs  # noqa: E402
from harness.interceptor import Interceptor  # noqa: E402
from harness.mesh import Mesh  # noqa: E402
from harness.node import Node  # noqa: E402
from harness.sidecar import HaProxy  # noqa: E402
from harness.wait import eventually  # noqa: E402

BASELINES = ("direct", "iptables")
OURS = ("off", "sidecar", "full")
MODES = BASELINES + OURS
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


class BenchError(Exception):
    """The measurement would be wrong; the text names the cause and the place."""


class Pair:
    """A client and a server pod, ready for load."""

    def __init__(self, mode, client, server):
        self.mode = mode
        self._client = client
        self._server = server
        for pod in (client, server):
            # Thousands of short connections a second: without these the client runs out of ports,
            # in every mode alike.
            pod.sysctl("net.ipv4.tcp_tw_reuse=1", "net.ipv4.ip_local_port_range=16384 65535")

    def measure(self, workload, size, seconds):
        _, _, arguments, key = WORKLOADS[workload]
        done = self._client.application.run(
            programs.STREAM, *arguments(size), "--seconds", seconds, "--address",
            self._server.ip4, "--port", PORT, check=False, timeout=seconds + 60)
        what = f"{workload}, {size} bytes, {self.mode}"
        if done.returncode != 0:
            raise BenchError(f"{what}: {done.stdout}{done.stderr}")
        result = json.loads(done.stdout)
        if result.get("refused", 0) + result.get("other", 0):
            raise BenchError(f"{what}: connections failed: {done.stdout}")
        return float(result[key])


def serve(pod, start):
    """The application of a server; the caller's `start` runs it and ends it."""
    start(programs.STREAM, "server", "--port", PORT, stdin=subprocess.DEVNULL,
          stdout=subprocess.DEVNULL)
    eventually(lambda: f":{PORT} " in pod.root.run("ss", "-Hltn").stdout)


def baseline_pair(mode, node, directory):
    pods = [node.pod(f"{name}-{mode}") for name in ("client", "server")]
    for pod in pods:
        HaProxy(pod, directory)
        if mode == "iptables":
            subprocess.run([programs.IPTABLES_MESH, "install", "--profile", "fsm",
                            "--netns", pod.netns.path], check=True)
    serve(pods[1], pods[1].application.start)
    return Pair(mode, *pods)


def baselines(modes, stack):
    """No mesh, and iptables: on their own node. Its cgroup ends every process at the end."""
    if not modes:
        return []
    node = Node()
    stack.callback(node.delete)
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="fsm-bench-"))
    os.chmod(directory, 0o755)  # sidecars have a user of their own
    return [baseline_pair(mode, node, directory) for mode in modes]


class Interception:
    """This project's modes: one interceptor, and a pair of pods for each scope."""

    def __init__(self, modes, inbound, stack):
        self._modes = modes
        node = Node()
        stack.callback(node.delete)
        self._interceptor = Interceptor(node, inbound=inbound, bpfName=node.name, logLevel="info")
        stack.callback(self._interceptor.remove)
        self._interceptor.start()
        self.pairs = [self._pair(mode, node, stack) for mode in modes]

    def _pair(self, mode, node, stack):
        mesh = Mesh(node, self._interceptor, acceleration=mode)
        stack.callback(mesh.remove)
        client, server = (mesh.member(f"{name}-{mode}") for name in ("client", "server"))
        for member in (client, server):
            member.start_sidecar("haproxy")
            actual = member.state()["acceleration"]
            if actual != mode:
                raise BenchError(f"pod {member.pod.name} was to be accelerated in scope {mode}, "
                                 f"it is {actual}: {self._interceptor.get('status')}")
        serve(server.pod, server.start)
        return Pair(mode, client.pod, server.pod)

    def check_redirection(self):
        """Checks that the mode was effective: messages were redirected, or were not."""
        redirected = self._interceptor.counters()["message_redirected"]
        expected = any(mode != "off" for mode in self._modes)
        if (redirected > 0) != expected:
            raise BenchError(f"modes {', '.join(self._modes)}, but {redirected} messages were "
                             f"redirected: {self._interceptor.counters()}")


def measure_all(pairs, plan, rounds, seconds, progress):
    """{(workload, size, mode): [one value per round]}. `plan` is a list of (workload, size)."""
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


def about(chosen):
    """What a figure means nothing without."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        model = next((line.partition(":")[2].strip() for line in file
                      if line.startswith("model name")), platform.machine())
    return {"machine": f"{os.cpu_count()} processors {model}", "kernel": platform.release(),
            "date": time.strftime("%Y-%m-%d", time.gmtime()), "rounds": chosen.rounds,
            "seconds": chosen.seconds}


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


def bench(chosen, progress):
    plan = plan_of(chosen)
    ours = [mode for mode in chosen.modes if mode in OURS]
    with contextlib.ExitStack() as stack:
        pairs = baselines([mode for mode in chosen.modes if mode in BASELINES], stack)
        interception = Interception(ours, chosen.inbound, stack) if ours else None
        pairs += interception.pairs if interception else []
        values = measure_all(pairs, plan, chosen.rounds, chosen.seconds, progress)
        if interception:
            interception.check_redirection()
    return rows_of(values, plan, chosen.modes)


def main():
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def progress(text):
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    started = time.monotonic()
    try:
        rows = bench(chosen, progress)
    except BenchError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        progress("")
    if chosen.json:
        print(json.dumps({"about": about(chosen), "rows": rows}, indent=1))
    else:
        print_table(rows, chosen.modes, chosen.rounds, chosen.seconds)
        print(f"({time.monotonic() - started:.0f} s in all)")


if __name__ == "__main__":
    main()
