"""Cases paired with stable, and the fresh repeats of those that newly fail."""

import math
import random

import pytest

from bench.suites import CASES, FALSE_BAR, REPEATS, simulate
from evals.verdict.paired import (
    MOST_CONFIRMED,
    CasePair,
    RunningEvidence,
    RunOutcome,
    RunPair,
    cases_to_confirm,
    compare,
    confirmations,
    is_proved_worse,
    log_evidence,
)

P, F, U = True, False, None


def pair(candidate: list[RunOutcome], stable: list[RunOutcome], name: str = "a", critical: bool = False) -> CasePair:
    """A case with these outcomes."""
    return CasePair(name, tuple(candidate), tuple(stable), critical)


@pytest.mark.parametrize(
    ("candidate", "stable", "comparison"),
    [
        ([P, P, P], [P, P, P], "same"),
        ([P, F, P], [P, P, P], "worse"),
        ([P, P, P], [F, P, P], "better"),
        ([F, P], [P, F], "same"),
        ([U, F, F], [P, P, U], "worse"),
        ([U, P], [P, U], "undecided"),
        ([], [], "undecided"),
    ],
)
def test_a_case_is_worse_when_fewer_repeats_pass(
    candidate: list[RunOutcome], stable: list[RunOutcome], comparison: str
) -> None:
    """Repeats that are undecided on one side count on neither."""
    assert pair(candidate, stable).comparison == comparison


def test_a_case_newly_fails_when_stable_always_passes_and_half_of_the_repeats_fail() -> None:
    """Half is rounded up; what is undecided has not failed."""
    assert pair([F, F, P], [P, P, P]).newly_fails and pair([F], [P]).newly_fails
    assert not pair([F, P, P], [P, P, P]).newly_fails and not pair([F, F, F], [P, P, F]).newly_fails
    assert not pair([U, U, F], [P, P, P]).newly_fails and not pair([F], [U]).newly_fails
    assert pair([P, P], [F, P]).newly_passes and not pair([P, P], [P, P]).newly_passes


def test_a_case_passes_always_only_if_each_repeat_is_seen_to_pass() -> None:
    """A critical case is not let off by a check that could not decide."""
    assert pair([P, P], []).passes_always
    assert not pair([P, U], []).passes_always and not pair([], []).passes_always


def test_seven_cases_that_flip_prove_harm_without_a_further_call() -> None:
    """Six do not; then both versions are asked again."""
    flipped = [pair([F], [P], str(index)) for index in range(7)]
    seven, six = compare(flipped), compare(flipped[:6])
    assert is_proved_worse(seven) and not cases_to_confirm(seven, {})
    assert not is_proved_worse(six) and len(cases_to_confirm(six, {})) == 6


def test_one_broken_case_among_many_is_proved_by_six_fresh_repeats() -> None:
    """The rest of the suite does not outvote it."""
    pairs = compare([pair([P], [P], "well")] * 99 + [pair([F], [P], "broken")])
    runs: list[RunPair] = []
    while wanted := cases_to_confirm(pairs, {"broken": runs}):
        assert wanted == ("broken",)
        runs.append((F, P))
    assert len(runs) == 6 and is_proved_worse(pairs, {"broken": runs})


def test_a_case_that_is_broken_among_many_that_are_mended_is_found_as_well() -> None:
    """Improvements cost it a few more repeats, not the proof."""
    mended = [pair([P], [F], f"mended-{index}") for index in range(30)]
    pairs, runs = compare([*mended, pair([F], [P], "broken")]), list[RunPair]()
    while cases_to_confirm(pairs, {"broken": runs}):
        runs.append((F, P))
    assert len(runs) <= 15 and is_proved_worse(pairs, {"broken": runs})


def test_a_flaky_case_is_left_once_it_cannot_prove_anything() -> None:
    """It costs a dozen calls, and no version is refused for it."""
    pairs, runs = compare([pair([F], [P])]), list[RunPair]()
    while cases_to_confirm(pairs, {"a": runs}):
        runs.append((P, P))
    assert len(runs) <= 7 and not is_proved_worse(pairs, {"a": runs})


def test_fresh_repeats_that_are_undecided_come_to_an_end() -> None:
    """A judge that is down is not asked for ever."""
    pairs, runs = compare([pair([F], [P])]), list[RunPair]()
    while cases_to_confirm(pairs, {"a": runs}):
        runs.append((U, P))
    assert len(runs) <= 7


def test_what_fresh_repeats_prove_is_shared_by_all_that_newly_fail() -> None:
    """The mean of the cases' evidence multiplies the suite's, so asking many cases again is no way to find proof."""
    pairs = compare([pair([F], [P], "a"), pair([F], [P], "b")])
    both = log_evidence(pairs, {"a": [(F, P)] * 5, "b": [(F, P)] * 5})
    one = log_evidence(pairs, {"a": [(F, P)] * 5, "b": [(P, F)] * 5})
    assert log_evidence(pairs) == pairs.log_evidence < one < both


def test_only_so_many_cases_are_asked_again_and_critical_ones_first() -> None:
    """A suite of flaky cases does not multiply its own cost."""
    pairs = [*(pair([F], [P], str(index)) for index in range(40)), pair([F], [P], "vital", critical=True)]
    found = confirmations(compare(pairs), {"vital": [(F, P), (P, F), (U, F)]})
    assert len(found) == MOST_CONFIRMED and found[0].id == "vital"
    assert (found[0].worse, found[0].better, found[0].repeats) == (1, 1, 3)


@pytest.mark.parametrize("repeats", REPEATS)
@pytest.mark.parametrize("flaky", [0.2, 1.0])
def test_at_most_one_equal_version_in_twenty_is_refused(repeats: int, flaky: float) -> None:
    """By the whole procedure, over 2,000 suites with cases that pass with probabilities of 0.5 to 0.99."""
    assert simulate(2000, repeats, flaky).share <= FALSE_BAR


@pytest.mark.parametrize(("broken", "least"), [(1 / CASES, 0.7), (0.05, 0.95), (0.1, 0.99)])
def test_versions_that_break_cases_are_refused(broken: float, least: float) -> None:
    """One case in sixty is found unless it is itself a flaky one; three are found nearly always."""
    assert simulate(200, 3, 0.2, broken=broken).share >= least


def test_evidence_stays_an_e_value_when_it_is_looked_at_after_each_case() -> None:
    """Over equal versions its mean is at most 1 wherever one stops."""
    rng, total = random.Random(3), 0.0
    for _ in range(2000):
        pairs: list[CasePair] = []
        while len(pairs) < 12 and not is_proved_worse(compare(pairs)):
            pairs.append(pair([rng.random() < 0.7], [rng.random() < 0.7]))
        total += math.exp(compare(pairs).log_evidence)
    assert total / 2000 <= 1.1


@pytest.mark.parametrize("seed", range(20))
def test_evidence_that_runs_along_is_that_of_all_cases(seed: int) -> None:
    """After each case the same answer as when all are compared anew."""
    rng, evidence, pairs = random.Random(seed), RunningEvidence(), list[CasePair]()
    for number in range(60):
        candidate, stable = rng.choices([P, F, U], [6, 3, 1], k=2), rng.choices([P, F, U], [8, 1, 1], k=2)
        pairs.append(pair(candidate, stable, f"{number}", number % 7 == 0))
        evidence.add(pairs[-1])
        compared = compare(pairs)
        assert (evidence.worse, evidence.better) == (compared.worse, compared.better)
        assert evidence.is_proved_worse(0.05) is is_proved_worse(compared, alpha=0.05)
