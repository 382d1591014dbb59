"""CNI ADD: many pods at once, their memory, and what a failed ADD leaves.

Times depend on the machine: the bounds here are generous, so that only a change of kind fails;
measure_add.py measures.
"""

import pytest

from harness.adding import add_at_once, describe_pods
from harness.cni import CniFailure
from harness.wait import eventually

# Other suites run at the same time, and tests are not benchmarks: the limits detect hangs, not
# slowness.
GENEROUS = 50
GOAL_P99_MS = 20
GOAL_RESIDENT_KB = 25 * 1024
PODS_AT_ONCE = 100
PODS = 500


def test_a_hundred_pods_at_once_and_five_hundred_in_memory(make_mesh):
    mesh = make_mesh("sk_lookup", logLevel="info")
    interceptor = mesh.interceptor
    pods = mesh.node.many_pods([f"pod-{number}" for number in range(PODS)])
    describe_pods(interceptor, pods)
    measured = [add_at_once(interceptor, pods[first:first + PODS_AT_ONCE])
                for first in range(0, PODS, PODS_AT_ONCE)]

    resident = interceptor.resident_kilobytes()
    for measurement in measured:
        print(f"{measurement.pods} pods at once: {measurement.whole} ms; "
              f"{measurement.share_within_20_ms:.0%} of the interceptor's own times within 20 ms")
    print(f"{PODS} pods: {resident} kB resident")
    states = interceptor.pods()
    assert len(states) == PODS
    assert {state["state"] for state in states} == {"in-mesh"}
    p99 = sorted(measurement.whole.p99 for measurement in measured)
    assert p99[len(p99) // 2] < GENEROUS * GOAL_P99_MS
    assert resident < 2 * GOAL_RESIDENT_KB


def test_pod_that_nobody_knows_is_refused_and_leaves_nothing(make_mesh):
    mesh = make_mesh("sk_lookup", podLookupTimeout="500ms", unknownPods="refuse")
    before = mesh.interceptor.map_entries()
    pod = mesh.member("client", enrol=False)
    mesh.interceptor.remove_manifest(pod.pod)
    with pytest.raises(CniFailure) as failure:
        mesh.interceptor.cni.add(pod.pod)
    assert '"code"' in failure.value.error
    assert mesh.interceptor.map_entries() == before
    assert mesh.interceptor.pods() == []


def test_add_while_the_interceptor_is_away_fails_closed(make_mesh):
    mesh = make_mesh("sk_lookup")
    mesh.interceptor.stop()
    pod = mesh.member("client", enrol=False)
    mesh.interceptor.cni.settings["timeout_ms"] = 500
    with pytest.raises(CniFailure):
        pod.enrol()
    mesh.interceptor.start()
    pod.enrol()
    assert pod.state()["state"] == "in-mesh"


def test_add_is_repeatable(make_mesh, inbound):
    mesh = make_mesh(inbound)
    pod = mesh.member("client")
    entries = mesh.interceptor.map_entries()
    pod.enrol()
    # The leftovers of the first one are removed a few seconds later.
    eventually(lambda: mesh.interceptor.map_entries() == entries, 15)
    mesh.interceptor.cni.check(pod.pod)


def test_check_finds_what_is_missing_and_add_repairs_it(make_mesh, inbound):
    mesh = make_mesh(inbound)
    pod = mesh.member("client")
    mesh.interceptor.cni.check(pod.pod)
    cookie = pod.state()["netnsCookie"].to_bytes(8, "little")
    mesh.interceptor.delete_map_entry("fsm_pods", cookie)
    with pytest.raises(CniFailure):
        mesh.interceptor.cni.check(pod.pod)
    pod.enrol()
    mesh.interceptor.cni.check(pod.pod)


def test_tc_filter_that_somebody_removed_is_put_back(make_mesh):
    mesh = make_mesh("tc")
    pod = mesh.member("client")
    assert len(pod.pod.programs_on_interface()) == 2
    pod.pod.root.run("tc", "qdisc", "del", "dev", "eth0", "clsact")
    with pytest.raises(CniFailure):
        mesh.interceptor.cni.check(pod.pod)
    mesh.interceptor.restart()
    eventually(lambda: len(pod.pod.programs_on_interface()) == 2)
    mesh.interceptor.cni.check(pod.pod)
