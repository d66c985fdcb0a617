"""The verdict on a suite, in one sentence."""

from evals.verdict.bounds import RatioInterval
from evals.verdict.paired import CasePair, RunOutcome
from evals.verdict.verdict import VerdictLimits, ratio_sentence, suite_verdict


def suite(same: int, worse: int = 0, better: int = 0, undecided: int = 0) -> list[CasePair]:
    """So many cases of each kind, of one repeat each."""
    kinds: list[tuple[str, int, RunOutcome, RunOutcome]] = [
        ("same", same, True, True),
        ("worse", worse, False, True),
        ("better", better, True, False),
        ("undecided", undecided, None, True),
    ]
    return [
        CasePair(f"{kind}-{index}", (ours,), (theirs,)) for kind, count, ours, theirs in kinds for index in range(count)
    ]


def test_a_version_that_is_no_worse_passes_with_what_it_may_still_be() -> None:
    """The sentence bounds the share of such cases on which it is worse."""
    found = suite_verdict(suite(58, worse=1, better=1))
    assert found.status == "passed" and not found.reasons
    assert found.sentence == "Passed: 1 of 60 cases worse; worse on at most 7.7 % of such cases (95 %)."
    assert (found.cases, found.worse, found.better, found.runs) == (60, 1, 1, 120)
    assert found.newly_passing == ("better-0",) and [one.id for one in found.newly_failing] == ["worse-0"]


def test_a_version_that_is_worse_on_seven_cases_fails() -> None:
    """With the evidence, and what proof takes."""
    found = suite_verdict(suite(53, worse=7))
    assert found.status == "failed" and found.evidence > found.bar == 20
    assert found.sentence == "Failed: worse than stable on 7 cases, better on 0 (E = 31.9, proof from 20)."


def test_a_confirmed_case_is_named_with_its_fresh_repeats() -> None:
    """Whoever reads the sentence knows where to look."""
    found = suite_verdict(suite(99, worse=1), {"worse-0": [(False, True)] * 6})
    assert found.sentence.endswith("; newly failing: worse-0 (6 of 6 fresh repeats).") and found.status == "failed"


def test_a_critical_case_that_fails_once_in_five_fails_the_version() -> None:
    """Whatever stable does with it; of many, the first are listed."""
    outcomes = (True, True, True, True, False)
    vital = [CasePair(f"vital-{index}", outcomes, (False,) * 5, critical=True) for index in range(7)]
    found = suite_verdict([*suite(60), *vital])
    assert found.status == "failed" and len(found.critical_failing) == 7
    listed = "vital-0, vital-1, vital-2, vital-3, vital-4 and 2 more"
    assert found.sentence == f"Failed: critical cases not passed each time: {listed}."


def test_too_few_cases_are_no_pass() -> None:
    """The sentence says how many the margin needs."""
    found = suite_verdict(suite(20))
    assert found.status == "too_few_cases"
    needed, bound = "59 are needed to show at most 5.0 %", "worse on at most 14 % of such cases (95 %)"
    assert found.sentence == f"Too few cases: 20 compared, {needed}; so far {bound}."
    assert suite_verdict(suite(29), limits=VerdictLimits(margin=0.1)).status == "passed"
    assert suite_verdict([]).status == "too_few_cases" and suite_verdict([]).worse_at_most == 1.0


def test_more_than_two_percent_undecided_runs_fail() -> None:
    """A judge that says nothing is no reason to pass."""
    assert suite_verdict(suite(118, undecided=2)).status == "passed"
    found = suite_verdict(suite(60, undecided=3))
    assert found.status == "failed" and found.sentence == "Failed: 3 of 126 runs undecided, more than 2.0 %."


def test_a_version_alone_must_pass_each_case_each_time() -> None:
    """Without a stable version nothing is compared, and no number of cases is too few."""
    alone = [CasePair(f"case-{index}", (True, True), ()) for index in range(3)]
    assert suite_verdict(alone).status == "passed"
    assert suite_verdict(alone).sentence == "Passed: 3 of 3 cases, with no stable version to compare with."
    found = suite_verdict([*alone, CasePair("refund", (True, False), ()), CasePair("tax", (False, None), ())])
    assert found.status == "failed"
    assert found.sentence.startswith("Failed: cases not passed each time: refund, tax; 1 of 10 runs undecided")


def test_costs_are_said_as_ratios() -> None:
    """With an interval where there are cases enough for one."""
    few = "latency ×2.00 (too few cases for an interval)"
    assert ratio_sentence("cost", RatioInterval(1.24, 1.1, 1.39, 60)) == "cost ×1.24 (95 %: 1.10 to 1.39)"
    assert ratio_sentence("latency", RatioInterval(2.0, None, None, 3)) == few
    assert ratio_sentence("cost", None) == "cost: nothing to compare with"
