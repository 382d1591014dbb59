"""Applications and sidecars cannot tell that iptables is gone: what four processes observe under the
meshes' iptables rules and under us is compared line by line. What differs is listed, with the reason,
in expected_differences.yaml."""

import pathlib

import compare
import pytest
from conftest import observe_into
from mechanisms import Interceptor, Iptables

EXPECTED = compare.load_expected(pathlib.Path(__file__).with_name("expected_differences.yaml"))


def complaints(verdict):
    return "\n".join([*(f"unexpected: {each}" for each in verdict.unlisted),
                      *(f"no longer there: {each}" for each in verdict.stale)])


def judge(baseline, observed, expected, mechanism, scope):
    return compare.judge(compare.load_observation(baseline), compare.load_observation(observed),
                         expected, mechanism, scope)


def test_iptables_is_like_iptables(baseline, observations):
    verdict = judge(baseline, observe_into(observations / "again", Iptables("fsm"), "tpi"), [],
                    "iptables", "none")
    assert verdict.good, complaints(verdict)


@pytest.mark.parametrize("scope", ["off", "sidecar", "full"])
@pytest.mark.parametrize("inbound", ["sk_lookup", "tc"])
def test_we_are_like_iptables(baseline, interceptor, observations, inbound, scope):
    observed = observe_into(observations / f"{inbound}-{scope}",
                            Interceptor(interceptor, inbound, scope), "tpo")
    verdict = judge(baseline, observed, EXPECTED, inbound, scope)
    print(f"{inbound}, {scope}: {verdict.facts} facts, {len(verdict.listed)} expected differences")
    assert verdict.good, complaints(verdict)
