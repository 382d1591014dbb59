"""Measures CNI ADD of many pods at the same time."""

import dataclasses
import json
import math
import os
import re
import selectors
import subprocess
import time

from harness import programs


@dataclasses.dataclass(frozen=True)
class Times:
    """Milliseconds."""

    p50: float
    p99: float
    longest: float

    @staticmethod
    def of(seconds):
        ordered = sorted(seconds)

        def rank(share):
            return round(ordered[math.ceil(share * len(ordered)) - 1] * 1000, 2)

        return Times(rank(0.5), rank(0.99), rank(1.0))


@dataclasses.dataclass(frozen=True)
class Measurement:
    pods: int
    whole: Times  # from the configuration on the plugin's standard input to its answer
    share_within_20_ms: float  # of the interceptor's own times
    seconds: float  # from the first configuration to the last answer

    def to_json(self):
        return dataclasses.asdict(self)


def describe_pods(interceptor, pods):
    for pod in pods:
        interceptor.write_manifest(pod)


def add_at_once(interceptor, pods):
    """Starts one plugin per pod, as a runtime would, and then sends all of them their configuration at
    the same time."""
    before = _own_times(interceptor)
    calls = [interceptor.cni.command("ADD", pod, pod.netns.path, with_result=True) for pod in pods]
    seconds, answers, whole = _run_at_once([([programs.PLUGIN], environment, configuration)
                                            for environment, configuration in calls])
    for answer in answers:
        assert "ips" in json.loads(answer)
    own = _own_times(interceptor)
    count = own["count"] - before["count"]
    assert count == len(pods), f"the interceptor counted {count} requests of {len(pods)}"
    return Measurement(len(pods), Times.of(seconds),
                       (own["within 20 ms"] - before["within 20 ms"]) / count, round(whole, 3))


def copy_at_once(count):
    """Runs as many processes that only copy as much to their output: the machine's own share of what
    add_at_once() measures."""
    seconds, _, _ = _run_at_once([(["cat"], os.environ, "x" * 500)] * count)
    return Times.of(seconds)


def wait_until_quiet():
    """For measurements: a new namespace keeps the kernel busy for a while (duplicate address detection of
    IPv6, notifications of all bridge ports), longer the more there are."""
    def is_quiet():
        before = _processor_time()
        time.sleep(0.3)
        idle, whole = (now - then for now, then in zip(_processor_time(), before))
        return idle > 0.93 * whole
    deadline = time.monotonic() + 20
    while not is_quiet() and time.monotonic() < deadline:
        pass


def _run_at_once(calls):
    """[(command, environment, input)] -> (seconds from input to the end of the output, the
    outputs, seconds for all)."""
    running = [subprocess.Popen(command, env=environment, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE) for command, environment, _ in calls]
    time.sleep(0.5)  # until all of them wait for their input (they do for ten seconds)
    began = []
    first = time.monotonic()
    for process, (_, _, given) in zip(running, calls):
        began.append(time.monotonic())
        os.write(process.stdin.fileno(), given.encode())
        process.stdin.close()
    seconds, answers = _wait_for_answers(running, began)
    return seconds, answers, time.monotonic() - first


def _processor_time():
    """(idle, all), in ticks of all processors (proc_stat(5))."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(number) for number in file.readline().split()[1:]]
    return ticks[3] + ticks[4], sum(ticks)


def _wait_for_answers(running, began):
    seconds = [0.0] * len(running)
    answers = [b""] * len(running)
    with selectors.DefaultSelector() as selector:
        for index, process in enumerate(running):
            selector.register(process.stdout, selectors.EVENT_READ, index)
        while selector.get_map():
            events = selector.select(60)
            assert events, "a process did not answer within 60 s"
            for key, _ in events:
                part = os.read(key.fd, 1 << 16)
                answers[key.data] += part
                if not part:
                    seconds[key.data] = time.monotonic() - began[key.data]
                    selector.unregister(key.fileobj)
    for process, answer in zip(running, answers):
        process.stdout.close()
        assert process.wait(10) == 0, answer
    return seconds, answers


def _own_times(interceptor):
    """The interceptor's own record of its ADD requests."""
    text = interceptor.get_text("/metrics")
    within = re.search(r'fsm_cni_request_duration_seconds_bucket\{verb="add",le="0.02"\} (\d+)',
                       text)
    count = re.search(r'fsm_cni_request_duration_seconds_count\{verb="add"\} (\d+)', text)
    return {"within 20 ms": int(within[1]) if within else 0,
            "count": int(count[1]) if count else 0}


