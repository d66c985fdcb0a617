"""Guardrails: what can be written, and what one says about the evidence."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.evidence.evidence import WHOLE, ArmEvidence, Evidence
from policies.guardrails.grammar import (
    ABSOLUTE_THRESHOLD,
    DEFAULT_GUARDRAILS,
    THRESHOLD,
    Guardrail,
    Slow,
    parse,
)
from policies.guardrails.guardrails import Finding, assess, bank, shares
from policies.guardrails.metrics import METRICS
from policies.guardrails.verdicts import verdict
from policies.statistics.means import mean_e_value
from policies.statistics.sequential import absolute_e_value, floor_e_value, ratio_e_value
from tests.policies.evidences import BAD, GOOD, arm, errors, sample

RATIO, REJECTIONS, LATENCY, COST, QUALITY, *BEHAVIOURS, ABSOLUTE = DEFAULTS = tuple(map(parse, DEFAULT_GUARDRAILS))
RELATIVE_TEXTS = st.sampled_from([f"{metric} <= stable * 1.3" for metric in METRICS])
COUNTS = st.dictionaries(st.integers(0, 40), st.integers(0, 2**50), max_size=4)


def finding(guardrail: Guardrail, evidence: Evidence) -> Finding:
    """What a guardrail that stands alone says."""
    return assess([guardrail], (), evidence).findings[0]


def begun(e_value: float) -> float:
    """A component's worth in the first minute: half of all weight has begun, the rest waits at 1."""
    return (e_value + 1) / 2


def first(e_value: float) -> float:
    """The same of a unit's first bad call, where none has a fourth."""
    return 0.9 * begun(e_value) + 0.1


def again(once: ArmEvidence, units: int) -> ArmEvidence:
    """The arm, so many of whose units have failed four times."""
    return replace(once, bad={**once.bad, "errors#4": {0: units * WHOLE}})


@pytest.mark.parametrize(
    ("text", "relative", "limit"),
    [
        ("error_rate <= stable * 1.25", True, 1.25),
        ("error_rate<=stable*2", True, 2.0),
        ("latency_p50 <= stable * 1", True, 1.0),
        ("tokens <= stable * 1.5", True, 1.5),
        ("error_rate <= 20%", False, 0.2),
        ("low_quality <= 99%", False, 0.99),
        ("latency_p90 <= 2s", False, 2.0),
        ("ttft_p99 <= 800ms", False, 0.8),
    ],
)
def test_a_guardrail_is_read(text: str, relative: bool, limit: float) -> None:
    """White space is free; the text is kept for the record."""
    read = parse(f"  {text} ")
    assert (read.text, read.relative) == (text, relative)
    assert read.limit == pytest.approx(limit)


@pytest.mark.parametrize(
    ("text", "way_out"),
    [
        ("error_rate < 20%", "write 'error_rate <= stable * 1.25' or 'error_rate <= 20%'"),
        ("error_rate <= 1e-2", "write"),
        ("error_rate <= ٢٠%", "write"),
        ("", "write"),
        ("errors <= 20%", "known: error_rate, rejection_rate"),
        ("latency_p42 <= 1s", "latency_p95"),
        ("error_rate <= stable * 0.9", "between 1 and 100, such as 1.25"),
        ("error_rate <= stable * 101", "between 1 and 100, such as 1.25"),
        ("error_rate <= stable * 150%", "between 1 and 100, such as 1.25"),
        ("error_rate <= 0%", "at most 99%, such as 20%"),
        ("error_rate <= 0.2", "at most 99%, such as 20%"),
        ("low_quality <= 99.5%", "at most 99%, such as 20%"),
        ("cost <= 20%", "write 'cost <= stable * 1.05'"),
        ("latency_p90 <= 20%", "such as 2s or 800ms"),
        ("ttft_p50 <= 0s", "such as 2s or 800ms"),
        ("latency_p90 <= 3601s", "such as 2s or 800ms"),
    ],
)
def test_what_cannot_be_read_says_the_way_out(text: str, way_out: str) -> None:
    """The message names what was written and what can be."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)
    assert repr(text) in str(caught.value) or text.startswith("cost")
    assert way_out in str(caught.value)


def test_slow_is_measured_at_the_quantile_and_at_the_p75() -> None:
    """The margin lies in the canary's threshold; an absolute limit is one threshold for both."""
    assert LATENCY.slow == (
        Slow("latency_p90:0.75:1.1", "latency", 0.75, 1.1),
        Slow("latency_p90:0.9:1.1", "latency", 0.9, 1.1),
    )
    assert [slow.frozen_name for slow in parse("ttft_p99 <= stable * 2").slow] == ["ttft:0.75", "ttft:0.99"]
    assert parse("latency_p95 <= 2s").slow == (Slow("latency_p95:0.95:2s", "latency", 0.95, 1.0, 2.0),)
    assert (RATIO.slow, COST.components, RATIO.components) == ((), (), ("errors",))


@given(st.lists(RELATIVE_TEXTS, unique=True), st.booleans())
def test_the_shares_of_the_family_sum_to_one(texts: list[str], guarded: bool) -> None:
    """Whatever is watched; an absolute guard stands alone."""
    guardrails = [*map(parse, texts), *([ABSOLUTE] if guarded else [])]
    assert sum(shares(guardrails).values()) == pytest.approx(1.0 if texts else 0.0)
    assert shares(DEFAULTS)[RATIO.text] == pytest.approx(0.4)


@given(COUNTS, COUNTS, COUNTS, st.integers(0, 10_000))
def test_whatever_can_be_counted_can_be_assessed(
    requests: dict[int, int], canary: dict[int, int], stable: dict[int, int], points: int
) -> None:
    """No counts and no weight let the decision fail."""
    names = {component for guardrail in DEFAULTS for component in guardrail.components}
    one, other = (ArmEvidence(requests=requests, bad=dict.fromkeys(names, counts)) for counts in (canary, stable))
    assert assess(DEFAULTS, (), Evidence(points / 10_000, one, other)).e_value >= 0


def test_before_the_first_call_the_family_is_worth_one() -> None:
    """No evidence, no rates, nothing proven."""
    assessment = assess(DEFAULTS, (), Evidence(0.05))
    assert assessment.e_value == pytest.approx(1.0)
    assert (assessment.proven, assessment.holds) == (None, ())
    assert {(f.is_proven, f.stable, f.canary) for f in assessment.findings} == {(False, None, None)}
    assert assess([ABSOLUTE], (), Evidence(0.05)).e_value == 1.0


def test_errors_need_a_canary_worse_than_stable_and_above_the_floor() -> None:
    """The smaller of two e-values, each of which is right about its own null."""
    expected = min(ratio_e_value(10, 4, 0.05, 1.25), floor_e_value(10, 20, 0.005))
    assert finding(RATIO, BAD).e_value == pytest.approx(first(expected))
    assert (finding(RATIO, BAD).is_proven, finding(RATIO, BAD).canary) == (True, 0.5)
    rare = errors((100_000, 50), (1_900_000, 95))
    assert ratio_e_value(50, 95, 0.05, 1.25) > 1e6
    assert not finding(RATIO, rare).is_proven


def test_latency_is_the_mean_of_both_quantiles() -> None:
    """At the bare ratio, because the margin lies in the threshold."""
    known = {"latency_p90:0.75:1.1": {0: 40 * WHOLE}, "latency_p90:0.9:1.1": {0: 20 * WHOLE}}
    canary = replace(arm(100), bad=known, bad_units={"latency_p90:0.9:1.1": 20})
    expected = (ratio_e_value(40, 0, 0.05, 1.0) + ratio_e_value(20, 0, 0.05, 1.0)) / 2
    found = finding(LATENCY, Evidence(0.05, canary, arm(1900)))
    assert found.e_value == pytest.approx(first(expected))
    assert (found.canary, found.stable) == (0.2, 0.0)


def test_later_bad_calls_of_a_unit_are_evidence_of_their_own() -> None:
    """Where long conversations of both arms fail once, six that fail four times or more are the canary's doing."""
    long = Evidence(0.1, again(arm(250, errors=6), 6), arm(4500, errors=36))
    alone = replace(long, canary=arm(250, errors=6))
    assert finding(RATIO, alone).e_value < 2 and assess(DEFAULTS, (), long).proven is not None
    expected = min(ratio_e_value(6, 0, 0.1, 1.25), floor_e_value(24, 250, 0.005))
    assert finding(RATIO, long).e_value - finding(RATIO, alone).e_value == pytest.approx(
        0.05 * begun(expected - 1) - 0.025
    )


def test_a_few_calls_of_many_prove_nothing_however_often_a_unit_had_them() -> None:
    """Five units with four failures each are twenty calls: of 8,000 they are below half a percent."""
    rare = Evidence(0.1, again(arm(8000, errors=5), 5), arm(72_000))
    assert assess(DEFAULTS, (), rare).proven is None


def test_a_unit_is_scored_once() -> None:
    """So scores have no later events; all others of the defaults have two more for each component."""
    assert [event.times for event in QUALITY.events] == [1]
    assert [event.times for event in parse("tool_loops <= stable * 2").events] == [1]
    assert [event.times for event in BEHAVIOURS[0].events] == [1, 4, 16]
    assert [(event.name, event.part) for event in RATIO.events] == [
        ("errors", 0.9), ("errors#4", pytest.approx(0.05)), ("errors#16", pytest.approx(0.05)),
    ]  # fmt: skip
    assert sum(event.part for event in LATENCY.events) == pytest.approx(1.0) and len(LATENCY.events) == 6


def test_cost_is_t2_and_begins_once_a_step() -> None:
    """Half its weight lies in the first step, a third of the rest in the second."""
    canary, stable = sample(500, 1.3), sample(9500, 1.0)
    evidence = Evidence(0.05, arm(500, None, canary), arm(9500, None, stable))
    e_value = mean_e_value(canary, stable, 1.05)
    assert finding(COST, evidence).e_value == pytest.approx((e_value + 1) / 2)
    later = replace(evidence, step=2, banked={COST.text: 0.5})
    assert finding(COST, later).e_value == pytest.approx(0.5 + e_value / 6 + 1 / 3)
    assert (finding(COST, evidence).canary, finding(COST, evidence).stable) == (1.3, 1.0)


def test_quality_is_judged_by_what_was_scored() -> None:
    """A score for one call in twenty, and half of those bad: not lost among the calls that nobody scored."""
    canary = replace(arm(2000, quality=50), scored={0: 100})
    stable = replace(arm(38_000, quality=190), scored={0: 1900})
    found = finding(QUALITY, Evidence(0.05, canary, stable))
    assert found.e_value == pytest.approx(begun(ratio_e_value(50, 190, 0.05, 1.2)))
    assert (found.is_proven, found.canary, found.stable) == (True, 0.5, 0.1)


def test_evidence_of_the_last_minutes_is_not_drowned_by_a_long_health() -> None:
    """Ten failures in minute 60 after an hour without: the component that began there sees only them."""
    canary = ArmEvidence({slot: 100 for slot in range(47)}, bad={"errors": {46: 10 * WHOLE}}, bad_units={"errors": 10})
    stable = ArmEvidence({slot: 1900 for slot in range(47)}, bad={"errors": {slot: 20 * WHOLE for slot in range(46)}})
    assert ratio_e_value(10, 920, 0.05, 1.25) < 1e-3
    assert finding(RATIO, Evidence(0.05, canary, stable, minute=61)).is_proven


@given(st.integers(0, 15), st.integers(0, 500))
def test_what_is_banked_never_changes_by_later_evidence(canary: int, stable: int) -> None:
    """An ended step's worth is a summand, whatever the next step sees; its weight is used up."""
    first = bank(DEFAULTS, errors((200, 9), (3800, 40)))
    assert first.keys() == {guardrail.text for guardrail in DEFAULTS[:-1]}
    later = replace(errors((1000, canary), (19_000, stable)), banked=first, offset=1, step=2)
    fresh = replace(later, banked={})
    for guardrail in DEFAULTS[:-1]:
        difference = finding(guardrail, later).e_value - finding(guardrail, fresh).e_value
        assert difference == pytest.approx(first[guardrail.text], rel=1e-6, abs=1e-6)
        assert bank(DEFAULTS, later)[guardrail.text] >= first[guardrail.text]


def test_two_failing_units_prove_nothing() -> None:
    """However strong the numbers: a canary at 0.01 % that fails at once has to do so for a third unit."""
    assert finding(RATIO, errors((2, 2), (20_000, 0), 0.0001)).e_value > THRESHOLD
    assert not finding(RATIO, errors((2, 2), (20_000, 0), 0.0001)).is_proven
    assert finding(RATIO, errors((3, 3), (20_000, 0), 0.0001)).is_proven


def test_no_other_guardrail_answers_for_one_on_too_few_units() -> None:
    """A mean needs no failing units, and it is not the mean that is bad here."""
    two = errors((2, 2), (20_000, 0), 0.0001)
    assessment = assess(DEFAULTS, (), two)
    assert assessment.e_value > THRESHOLD
    assert assessment.proven is None
    assert assessment.holds == (f"the canary is suspect: E = {assessment.e_value:.3g}",)


def test_the_proven_finding_is_the_one_that_adds_most() -> None:
    """It alone fails; the others stay as they are."""
    assessment = assess(DEFAULTS, (), errors((200, 100), (3800, 40)))
    assert assessment.proven is not None
    assert assessment.proven.guardrail is RATIO
    assert [f.guardrail for f in assessment.findings if f.is_proven] == [RATIO]


def test_a_family_is_proven_together() -> None:
    """Errors and quality, neither of them enough alone."""
    both = Evidence(0.05, arm(60, errors=5, quality=14), arm(1140, errors=12, quality=114))
    alone = [assess(DEFAULTS, (), Evidence(0.05, *arms)).proven for arms in (
        (arm(60, errors=5), arm(1140, errors=12)), (arm(60, quality=14), arm(1140, quality=114)),
    )]  # fmt: skip
    assert alone == [None, None]
    family = assess(DEFAULTS, (), both)
    assert family.e_value == pytest.approx(sum(f.share * f.e_value for f in family.findings))


@pytest.mark.parametrize("absolute", ["error_rate <= 20%", "error_rate <= 5%"])
def test_an_outage_of_both_arms_is_no_breach(absolute: str) -> None:
    """Everything fails everywhere: the absolute guard asks whether the canary is worse before it acts."""
    outage = errors((500, 500), (9500, 9500))
    assert assess([RATIO, parse(absolute)], (), outage).proven is None


def test_the_absolute_guard_holds_alone_when_stable_is_unseen_for_five_minutes() -> None:
    """Nothing is left to compare with, so the rate itself decides."""
    failing = replace(errors((50, 50), (0, 0), 1.0), control_unseen_seconds=299.9)
    assert finding(ABSOLUTE, failing).e_value == 1.0
    alone = finding(ABSOLUTE, replace(failing, control_unseen_seconds=300.0))
    assert (alone.e_value, alone.is_proven) == (absolute_e_value(50, 50, 0.2), True)


def test_the_absolute_guard_takes_out_what_is_worse_but_not_by_the_ratio() -> None:
    """40 % over 30 % is no breach of `stable * 2`, and one of 20 % when stable is better beyond doubt."""
    worse = errors((4000, 1600), (4000, 1200), 0.5)
    assert not finding(parse("error_rate <= stable * 2"), worse).is_proven
    assert finding(ABSOLUTE, worse).is_proven
    assert ABSOLUTE.threshold == ABSOLUTE_THRESHOLD


def test_an_absolute_time_allows_the_share_beyond_its_quantile() -> None:
    """`latency_p90 <= 2s`: a tenth of the calls may be slower."""
    guard = parse("latency_p90 <= 2s")
    canary = replace(arm(500), bad={"latency_p90:0.9:2s": {0: 200 * WHOLE}}, bad_units={"latency_p90:0.9:2s": 200})
    found = finding(guard, Evidence(0.5, canary, arm(500)))
    assert found.e_value == pytest.approx(min(absolute_e_value(200, 500, 0.1), first(ratio_e_value(200, 0, 0.5, 1.0))))
    assert found.is_proven


def checks(good: int, bad: int, recent_good: int = 0, window: int = 0) -> ArmEvidence:
    """Units that the limit of errors looked at, the bad ones in the latest window; each made fifty calls."""
    return replace(
        arm(50 * (good + bad), errors=bad),
        bad={"errors": {0: bad * WHOLE}, "errors!": {0: bad * WHOLE}},
        bad_units={"errors": bad, "errors!": bad},
        checks={"errors": good},
        recent={"errors": {window: recent_good}, "errors!": {window: bad}},
    )


def without_control(canary: ArmEvidence) -> Evidence:
    return Evidence(1.0, canary, ArmEvidence(), control_unseen_seconds=300.0)


def test_an_absolute_limit_compares_units_with_units() -> None:
    """Nine conversations of fifty calls that all fail are 100 %, not nine of 450."""
    assert finding(ABSOLUTE, without_control(checks(0, 9))).is_proven
    assert finding(ABSOLUTE, without_control(checks(60, 15, recent_good=60))).e_value < 1
    assert not finding(ABSOLUTE, without_control(checks(0, 2))).is_proven


def test_a_limit_of_rejections_looks_at_judged_calls_too() -> None:
    """Those that failed are in the population, though they count against errors."""
    limit, bad = parse("rejection_rate <= 20%"), {"rejections": {0: 12 * WHOLE}, "rejections!": {0: 12 * WHOLE}}
    canary = replace(arm(20), bad=bad, bad_units=dict.fromkeys(bad, 12), checks={"errors": 4, "rejections": 4})
    assert finding(limit, without_control(canary)).e_value == pytest.approx((absolute_e_value(12, 20, 0.2) + 1) / 2)


def test_a_canary_that_dies_after_a_day_is_beyond_its_limit_after_tens_of_checks() -> None:
    """The limit begins anew every few checks; by all of them the share is next to nothing."""
    day = 860_000
    assert finding(ABSOLUTE, without_control(checks(day, 30, window=day // 8))).is_proven
    assert not finding(ABSOLUTE, without_control(checks(day, 15, window=day // 8))).is_proven


def test_with_a_control_an_absolute_limit_sees_what_stable_shows_again_and_again() -> None:
    """Conversations of both arms fail once; those of the canary alone do so four times."""
    canary = again(checks(0, 12), 12)
    known = Evidence(0.1, canary, arm(5400, errors=60))
    assert finding(ABSOLUTE, known).is_proven
    assert not finding(ABSOLUTE, replace(known, canary=checks(0, 12))).is_proven


def test_no_party_alone_is_beyond_a_limit() -> None:
    """Its units are left out of all units looked at, and of each window."""
    parts = ("errors@c1", "errors!@c1")
    canary = checks(40, 12)
    canary = replace(
        canary,
        bad={**canary.bad, **{name: {0: 12 * WHOLE} for name in parts}},
        bad_units={**canary.bad_units, **dict.fromkeys(parts, 12)},
        checks={"errors": 40, "errors@c1": 0},
        recent={"errors": {9: 0}, "errors!": {9: 12}, "errors!@c1": {9: 12}},
    )
    found = replace(without_control(canary), callers=2, observed_seconds=900.0)
    assert finding(ABSOLUTE, found).unbounded > 1e4 and finding(ABSOLUTE, found).e_value < 1
    assert finding(ABSOLUTE, replace(found, callers=1)).is_proven
    assert Evidence.from_record(json.loads(json.dumps(asdict(found)))) == found


def test_a_signal_only_holds() -> None:
    """It says so, and is no reason for a rollback."""
    assessment = assess([COST], [RATIO], BAD)
    assert assessment.proven is None
    assert assessment.holds == (f"signal {RATIO.text} is breached: E = {assessment.signals[0].e_value:.3g}",)
    assert assess([COST], [RATIO], GOOD).holds == ()


def test_a_dismissed_metric_neither_rolls_back_nor_holds() -> None:
    """Guardrails and signals; the shares of the others stay, because what was seen must not raise them."""
    assert assess(DEFAULTS, (), BAD).proven is not None
    dismissed = assess(DEFAULTS, [RATIO], BAD, ("error_rate",))
    assert (dismissed.proven, dismissed.holds, dismissed.signals) == (None, (), ())
    assert [f.share for f in dismissed.findings] == pytest.approx([0.12] * 4 + [0.03] * 4)


def test_a_guardrail_is_fine_once_enough_units_were_seen() -> None:
    """Before that nothing is said in the canary's favour."""
    assert verdict(finding(RATIO, GOOD), is_beyond=False) == "fine"
    assert verdict(finding(RATIO, replace(GOOD, canary=arm(1000, 29, errors=10))), is_beyond=False) == "watching"
