"""What is said of a judge: what it does, what it found, and whether a guardrail may act on it."""

from dataclasses import replace

import pytest

from gateway.judging.agreement import Agreement
from gateway.live_judge.words import JudgeHere, acts, judge_view, kappa_in_words, trust_in_words
from gateway.store.verdict_seam import JudgeSums, VersionVerdicts
from routing.agents import JudgeRules
from routing.chain import Target

JUDGE = JudgeRules(Target("p", "judge"), "Be kind.", 200, 5 * 10**9, False, "0f" * 32)
WELL = JudgeHere(40, {"queue_full": 2}, "")
GOOD, POOR, FEW = Agreement(40, 3, 4, 20), Agreement(20, 10, 10, 20), Agreement(5, 1, 1, 5)


@pytest.mark.parametrize(
    ("labels", "trusted", "is_acting", "words"),
    [
        (GOOD, False, True, "its guardrail acts: it agrees with people by κ = 0.7"),
        (POOR, False, False, "counts as a signal, which rolls nothing back: it agrees with people by κ = 0.33"),
        (FEW, False, False, "people have labelled 12 of its calls; 30 are needed, 5 of good and 5 of bad calls"),
        (FEW, True, True, "because `trusted: true` says so"),
    ],
)
def test_whether_it_acts(labels: Agreement, trusted: bool, is_acting: bool, words: str) -> None:
    """By people's labels, or by the operator's word."""
    judge = replace(JUDGE, trusted=trusted)
    assert acts(judge, labels) is is_acting
    assert words in trust_in_words(judge, labels)


def test_labels_that_are_all_alike() -> None:
    """They say nothing of agreement."""
    assert "nothing is known of κ" in kappa_in_words(Agreement(both_pass=40))


def test_a_view() -> None:
    """Means with their intervals by version, the money of the day, and labels."""
    versions = {
        "v1": VersionVerdicts(100, 90, 90.0, 86.0, 2),
        "v2": VersionVerdicts(1, 0, 0.5, 0.25),
        "v3": VersionVerdicts(undecided=1),
    }
    view = judge_view(JUDGE, JudgeSums(versions, GOOD, 430_000_000), WELL)
    assert (
        view.state == "grades 2.0 % of the calls: 101 judged in this rollout, 3 undecided; $0.430 of $5.00 today (UTC)"
    )
    first, second, third = view.versions.values()
    assert first.low is not None and first.high is not None
    assert first.low < 0.9 < first.high
    assert (second.mean, second.low, third.mean) == (0.5, None, None)
    assert (view.usd_today, view.labels, view.acts, view.is_paused) == (0.43, 67, True, False)


def test_a_view_before_the_store_was_read() -> None:
    """Nothing is known yet, and nothing acts."""
    view = judge_view(JUDGE, None, JudgeHere(0, {}, "p/judge did not answer"))
    assert (view.usd_today, view.kappa, view.acts, view.versions) == (None, None, False, {})
    assert view.state == "paused: p/judge did not answer"
