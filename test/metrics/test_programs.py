"""Run time and count of the BPF programs, by the kernel's statistics."""

import re

from harness.application import ask

# Of both kinds: attached once a node, and loaded for each pod.
EXPECTED = {"fsm_connect4", "fsm_sockops", "fsm_getsockopt", "fsm_lookup", "fsm_msg"}


def series(interceptor, name):
    """By program."""
    return {program: float(value) for program, value in re.findall(
        rf'^{name}{{program="(\w+)",hook="[^"]+"}} (\S+)$', interceptor.get_text("/metrics"),
        re.MULTILINE)}


def test_programs_are_counted_and_never_less_when_pods_have_gone(mesh, interceptor):
    client, server = mesh.pair(8080)
    for _ in range(5):
        client.call(ask, server.pod.ip4, 8080)
    runs = series(interceptor, "fsm_program_runs_total")
    seconds = series(interceptor, "fsm_program_run_seconds_total")
    assert EXPECTED <= {program for program, count in runs.items() if count > 0}
    assert EXPECTED <= {program for program, time in seconds.items() if 0 < time < 1}
    assert "fsm_steer" not in runs, "the kernel counts no tail calls: it would always be 0"
    mesh.remove()
    later = series(interceptor, "fsm_program_runs_total")
    assert all(later[program] >= count for program, count in runs.items())
    assert later["fsm_lookup"] > 0
