"""Compares two observations fact by fact with the list of expected differences."""

import collections
import dataclasses
import fnmatch
import pathlib

import yaml

from observe import PROCESSES

ABSENT = "(not said)"


@dataclasses.dataclass(frozen=True)
class Difference:
    case: str
    fact: str  # "client: getpeername"
    baseline: str
    observed: str
    occurrence: int = 1  # a case can contain the fact several times

    def also_in(self, observation):
        """Whether that observation, if it contains the case, has the value `observed`."""
        return (any(case == self.case for case, _, _ in observation)
                and observation.get((self.case, self.fact, self.occurrence), ABSENT)
                == self.observed)

    def __str__(self):
        return f"{self.case} {self.fact}: {self.baseline!r} became {self.observed!r}"


@dataclasses.dataclass(frozen=True)
class Expected:
    case: str  # these four are patterns
    fact: str
    mechanism: str
    scope: str
    reason: str
    observed: str = "*"  # a pattern, too: the observed value
    sometimes: bool = False  # depends on timing: not stale when it does not occur

    def applies_to(self, mechanism, scope):
        return (fnmatch.fnmatchcase(mechanism, self.mechanism)
                and fnmatch.fnmatchcase(scope, self.scope))

    def covers(self, difference):
        return (fnmatch.fnmatchcase(difference.case, self.case)
                and fnmatch.fnmatchcase(difference.fact, self.fact)
                and fnmatch.fnmatchcase(difference.observed, self.observed))


def load_expected(path):
    entries = yaml.safe_load(pathlib.Path(path).read_text()) or []
    expected = []
    for number, entry in enumerate(entries, start=1):
        missing = {"case", "mechanism", "scope", "reason"} - entry.keys()
        unknown = entry.keys() - {field.name for field in dataclasses.fields(Expected)}
        if missing or unknown:
            raise ValueError(f"{path}, entry {number}: missing {sorted(missing)}, "
                             f"unknown {sorted(unknown)}")
        expected.append(Expected(**{"fact": "*", **entry}))
    return expected


def load_observation(directory):
    """{(case, "who: fact", how often it occurred before): value}"""
    facts = {}
    for process in PROCESSES:
        path = pathlib.Path(directory) / f"{process}.txt"
        said = collections.Counter()
        for line in path.read_text().splitlines():
            statement, _, value = line.partition(" = ")
            case, _, fact = statement.partition(" ")
            said[case, fact] += 1
            facts[case, fact, said[case, fact]] = value
    if not facts:
        raise ValueError(f"{directory}: nothing was observed")
    return facts


def differences(baseline, observed):
    found = []
    for key in list(baseline) + [key for key in observed if key not in baseline]:
        was = baseline.get(key, ABSENT)
        is_now = observed.get(key, ABSENT)
        if was != is_now:
            found.append(Difference(key[0], key[1], was, is_now, key[2]))
    return found


@dataclasses.dataclass
class Verdict:
    facts: int
    unlisted: list
    listed: list
    stale: list

    @property
    def good(self):
        return not self.unlisted and not self.stale


def judge(baseline, observed, expected, mechanism, scope):
    """Ignores `expected` entries for other mechanisms and scopes. An entry about a case that was not run
    is not stale."""
    applying = [entry for entry in expected if entry.applies_to(mechanism, scope)]
    used = set()
    unlisted = []
    listed = []
    for difference in differences(baseline, observed):
        covering = [entry for entry in applying if entry.covers(difference)]
        used.update(covering)
        (listed if covering else unlisted).append(difference)
    cases = {case for case, _, _ in baseline}
    stale = [entry for entry in applying if entry not in used and not entry.sometimes
             and any(fnmatch.fnmatchcase(case, entry.case) for case in cases)]
    return Verdict(len(baseline), unlisted, listed, stale)
