"""Applications and sidecars observe no difference to iptables: the observations of four processes under
the meshes' iptables rules and under this data path are compared line by line. expected_differences.yaml
lists the differences and their reasons."""

import pathlib

import compare
import pytest
from conftest import observe_into
from mechanisms import Interceptor, Iptables

EXPECTED = compare.load_expected(pathlib.Path(__file__).with_name("expected_differences.yaml"))


def complaints(unlisted, stale):
    return "\n".join([*(f"unexpected: {each}" for each in unlisted),
                      *(f"no longer there: {each}" for each in stale)])


def assert_alike(baseline, observed, expected, mechanism, scope):
    verdict = compare.judge(baseline.facts, observed, expected, mechanism, scope)
    ours = baseline.ours_alone(verdict.unlisted)
    print(f"{mechanism}, {scope}: {verdict.facts} facts, {len(verdict.listed)} expected differences")
    for each in verdict.unlisted:
        if each not in ours:
            print(f"iptables shows both: {each}")
    assert not ours and not verdict.stale, complaints(ours, verdict.stale)


def test_iptables_is_like_iptables(baseline, observations):
    assert_alike(baseline, observe_into(observations / "again", Iptables("fsm"), "tpi"), [],
                 "iptables", "none")


def test_mode_iptables_is_like_the_meshes_rules(baseline, iptables_interceptor, observations):
    observed = observe_into(observations / "mode-iptables",
                            Interceptor(iptables_interceptor, "auto", "auto"), "tpo")
    assert_alike(baseline, observed, [], "iptables", "none")


@pytest.mark.parametrize("scope", ["off", "sidecar", "full"])
@pytest.mark.parametrize("inbound", ["sk_lookup", "tc"])
def test_we_are_like_iptables(baseline, interceptor, observations, inbound, scope):
    observed = observe_into(observations / f"{inbound}-{scope}",
                            Interceptor(interceptor, inbound, scope), "tpo")
    assert_alike(baseline, observed, EXPECTED, inbound, scope)
