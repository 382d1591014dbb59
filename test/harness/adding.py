"""CNI ADD of many pods at the same moment, measured."""

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
    """Starts one plugin for each, as a runtime would, and then gives all of them their
    configuration in the same moment."""
    before = _own_times(interceptor)
    calls = [interceptor.cni.command("ADD", pod, pod.netns.path, with_result=True) for pod in pods]
    plugins = [subprocess.Popen([programs.PLUGIN], env=environment, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE) for environment, _ in calls]
    time.sleep(0.5)  # until all of them wait for their input
    began = []
    first = time.monotonic()
    for plugin, (_, configuration) in zip(plugins, calls):
        began.append(time.monotonic())
        os.write(plugin.stdin.fileno(), configuration.encode())
        plugin.stdin.close()
    seconds = _wait_for_answers(plugins, began)
    whole = time.monotonic() - first
    own = _own_times(interceptor)
    count = own["count"] - before["count"]
    assert count == len(pods), f"the interceptor counted {count} requests of {len(pods)}"
    return Measurement(len(pods), Times.of(seconds),
                       (own["within 20 ms"] - before["within 20 ms"]) / count, round(whole, 3))


def _wait_for_answers(plugins, began):
    seconds = [0.0] * len(plugins)
    answers = [b""] * len(plugins)
    with selectors.DefaultSelector() as selector:
        for index, plugin in enumerate(plugins):
            selector.register(plugin.stdout, selectors.EVENT_READ, index)
        while selector.get_map():
            events = selector.select(60)
            assert events, "no plugin answered within 60 s"
            for key, _ in events:
                part = os.read(key.fd, 1 << 16)
                answers[key.data] += part
                if not part:
                    seconds[key.data] = time.monotonic() - began[key.data]
                    selector.unregister(key.fileobj)
    for plugin, answer in zip(plugins, answers):
        plugin.stdout.close()
        assert plugin.wait(10) == 0, answer
        assert "ips" in json.loads(answer)
    return seconds


def _own_times(interceptor):
    """The interceptor's own record of its ADD requests."""
    text = interceptor.get_text("/metrics")
    within = re.search(r'fsm_cni_request_duration_seconds_bucket\{verb="add",le="0.02"\} (\d+)',
                       text)
    count = re.search(r'fsm_cni_request_duration_seconds_count\{verb="add"\} (\d+)', text)
    return {"within 20 ms": int(within[1]) if within else 0,
            "count": int(count[1]) if count else 0}


