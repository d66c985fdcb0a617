"""What is counted of a call, for whom, and how often: once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest

from gateway.calls import ArmName, Attempt, End, Outcome, Usage
from gateway.pricing import PriceBook
from gateway.rollout.call_id import Booking
from gateway.rollout.recorder import OTHER_MODELS
from gateway.rollout.table import Entry
from gateway.rollout.weighing import unit_id
from gateway.store.seam import MAX_FAILING_UNITS, MAX_UNITS, Batch
from policies.evidence.evidence import SCORED, WHOLE
from policies.evidence.tally import Tally, amount_bucket
from policies.guardrails.grammar import parse
from policies.guardrails.thresholds import Scale, Thresholds, arm_thresholds
from routing.assignment import Reason
from routing.models import MODELS
from tests.gateway.rollout.stage import PRICES, Stage, failing
from tests.support.trials import agent_named, begun, outcome

GUARDRAILS = (parse("latency_p90 <= stable * 1.10"), parse("cost <= stable * 1.05"))
FROZEN = {"latency:0.9": 1.0, "latency:0.75": 9.0, "cost": 1000.0}
THRESHOLDS: Mapping[ArmName, Thresholds] = {
    "stable": arm_thresholds(GUARDRAILS, FROZEN),
    "canary": arm_thresholds(GUARDRAILS, FROZEN, canary=True),
}
SLOW = "latency_p90:0.9:1.1"


def test_an_answer_is_one_call_of_its_arm() -> None:
    """Under the epochs in which it began, with its time in the histogram."""
    batch = Stage().close(outcome())
    assert (batch.rollout, batch.evidence) == (3, 5)
    assert (batch.stable.requests, batch.stable.errors, batch.canary.requests) == (1, 0, 0)
    assert sum(batch.tallies["v1"].latency.values()) == 1 and not batch.tallies["v1"].ttft


def test_a_canary_failure_is_told_at_once_and_counted_by_its_unit() -> None:
    """Its unit by a name that says nothing of it."""
    stage = Stage()
    batch = stage.close(outcome("canary", failing(), end="failed", unit="conversation\udcff of Kim"))
    assert stage.asks_for_a_flush and (batch.canary.requests, batch.canary.errors) == (1, 1)
    assert batch.canary.bad["errors"].keys() == {unit_id("conversation\udcff of Kim")} and "Kim" not in unit_id("Kim")
    assert not batch.tallies["v2"].latency


def test_a_units_fourth_and_sixteenth_failing_call_are_events() -> None:
    """Over all batches of the step; beyond the sixteenth nothing is counted any more."""
    stage, found = Stage(), []
    for call in range(1, 40):
        bad = stage.close(outcome("canary", failing(), end="failed")).canary.bad
        assert len(bad["errors"]) == 1
        found += [(name, call) for name in bad if "#" in name]
    assert found == [("errors#4", 4), ("errors#16", 16)]


def test_bad_calls_of_another_step_unit_or_kind_are_counted_apart() -> None:
    """A conversation of an earlier step goes on with its own count."""
    stage = Stage()
    failed = outcome("canary", failing(), end="failed")
    for _ in range(3):
        stage.close(replace(failed))
    for other in (replace(failed, evidence=6), replace(failed, unit="another")):
        assert "errors#4" not in stage.close(other).canary.bad
    old = stage.close(replace(failed, evidence=6, origin=failed.evidence))
    assert len(old.earlier[failed.evidence][1].bad["errors#4"]) == 1


def test_a_units_fourth_rejected_and_fourth_slow_call_are_events_too() -> None:
    """On either arm."""
    stage = Stage()
    refused = Attempt("p/m", 99.5, status=400, failure="status", rejected=True)
    slow = replace(outcome("stable"), thresholds=THRESHOLDS["stable"], received_at=90.0)
    for _ in range(4):
        rejected, late = stage.close(outcome("canary", refused, end="refused")), stage.close(replace(slow))
    assert len(rejected.canary.bad["rejections#4"]) == 1 and len(late.stable.bad[f"{SLOW}#4"]) == 1


def test_an_absolute_limit_looks_at_one_call_of_a_unit_in_ten_seconds() -> None:
    """At the canary's alone; what it finds good is counted by party, what it finds bad by unit."""
    stage = Stage()
    first = stage.close(replace(outcome("canary"), party="c1")).canary
    assert first.checks == {("errors", "c1"): 1}
    assert stage.close(outcome("canary", failing(), end="failed")).canary.bad.keys() == {"errors"}
    assert stage.close(outcome("stable", unit="v")).stable.checks == {}
    failed = stage.close(outcome("canary", failing(), end="failed", unit="v")).canary
    assert failed.bad.keys() == {"errors", "errors!"} and failed.checks == {("rejections", ""): 1}
    assert stage.close(replace(outcome("canary", unit="w"), origin=2, evidence=9)).canary.checks == {}


def test_an_absolute_limit_of_time_looks_at_slow_calls_and_at_who_left_after_it() -> None:
    """Who left sooner says nothing; thresholds relative to stable have no such limit."""
    limit = parse("latency_p90 <= 2s")
    stage, thresholds = Stage(), arm_thresholds((*GUARDRAILS, limit), FROZEN, canary=True)
    name = "latency_p90:0.9:2s"

    def looked_at(unit: str, seconds: float, end: End) -> tuple[bool, bool]:
        call = replace(outcome("canary", end=end, unit=unit), thresholds=thresholds, received_at=100.0 - seconds)
        arm = stage.close(call).canary
        return f"{name}!" in arm.bad, (name, "") in arm.checks

    assert looked_at("a", 1.5, "answered") == (False, True) and looked_at("b", 3.0, "answered") == (True, False)
    assert looked_at("c", 1.5, "client_gone") == (False, False) and looked_at("d", 3.0, "client_gone") == (True, False)


def test_a_failure_of_stable_hurries_nobody() -> None:
    """It can prove nothing against the canary."""
    stage = Stage()
    assert stage.close(outcome("stable", failing(), end="failed")).stable.errors == 1
    assert not stage.asks_for_a_flush


@pytest.mark.parametrize(
    ("end", "unanswered"),
    [("answered", 0), ("escalated", 0), ("client_gone", 0), ("failed", 1), ("broken", 1), ("refused", 1)],
)
def test_calls_without_an_answer_are_counted(end: End, unanswered: int) -> None:
    """Whoever caused it; a client that left has none to miss."""
    tried = Attempt("p/m", 99.5, status=400, failure="status")
    assert Stage().close(outcome("stable", tried, end=end)).tallies["v1"].unanswered == unanswered


def test_a_fallback_hides_no_failure() -> None:
    """The first attempt counts, although another target saved the call; both targets' tokens and cost are booked."""
    first, second = failing(), Attempt("q/m", 99.6, status=200, usage=Usage(10, 2, 5, 1), cost_nano_usd=7)
    tally = Stage().close(outcome("canary", first, second)).tallies["v2"]
    assert (tally.requests, tally.errors, tally.fallbacks) == (1, 1, 1)
    assert (tally.input_tokens, tally.cached_tokens, tally.output_tokens, tally.reasoning_tokens) == (10, 2, 5, 1)
    assert tally.cost_nano_usd == 7 and tally.unpriced == 0


def test_a_retry_at_the_same_target_is_no_fallback() -> None:
    """The chain did not go on."""
    assert Stage().close(outcome("stable", failing(), Attempt("p/m", 99.6))).tallies["v1"].fallbacks == 0


@pytest.mark.parametrize("reason", ["pin", "rule"])
def test_pinned_and_rule_matched_calls_are_counted_apart(reason: Reason) -> None:
    """They are no random sample: in no arm, in a tally of their own, and hurrying nobody."""
    stage = Stage()
    batch = stage.close(outcome(None, failing(), end="failed", reason=reason))
    assert list(batch.tallies) == ["v1/apart"] and batch.tallies["v1/apart"].errors == 1
    assert batch.stable.requests == batch.canary.requests == 0 and not stage.asks_for_a_flush


def test_plain_models_are_told_apart_up_to_a_limit() -> None:
    """A name gets sums of its own once its model has answered; names that a client makes up share one place."""
    stage = Stage()

    def close(name: str, end: End = "answered") -> set[str]:
        plain = replace(outcome(None, Attempt(name, 99.6), end=end, reason="model"), agent=MODELS, version=name)
        return set(stage.close(plain).tallies)

    assert close("p/made-up", end="refused") == {OTHER_MODELS}
    assert close("p/real") == {"p/real"} and close("p/real", end="failed") == {"p/real"}
    for number in range(600):
        found = close(f"p/{number}")
    assert found == {OTHER_MODELS} and close("p/real") == {"p/real"}


@pytest.mark.parametrize(
    "end, attempt",
    [
        ("client_gone", Attempt("p/m", 99.5)),
        ("refused", Attempt("p/m", 99.5, status=400, failure="status")),
        ("answered", Attempt("p/m", 99.5, status=429, failure="status")),
    ],
)
def test_what_says_nothing_of_a_version_is_no_evidence(end: End, attempt: Attempt) -> None:
    """A client that left, that was in the wrong, an account at its limit: a call, but not one of the arm's."""
    batch = Stage().close(outcome("canary", attempt, end=end))
    assert batch.tallies["v2"].requests == batch.tallies["v2"].unjudged == 1
    assert batch.canary.requests == 0


def test_unknown_prices_are_counted() -> None:
    """Only where tokens were used: a failed attempt has none to pay for."""
    tally = Stage().close(outcome("stable", failing(), Attempt("p/m", 99.6, usage=Usage(1, 0, 1, 0)))).tallies["v1"]
    assert (tally.unpriced, tally.cost_nano_usd) == (1, 0)


def test_the_first_token_of_a_stream_is_timed() -> None:
    """Beside the whole answer, for those that came to their end."""
    streamed = outcome()
    streamed.first_token_at = 99.7
    stage = Stage()
    assert sum(stage.close(streamed).tallies["v1"].ttft.values()) == 1
    assert stage.lines()[0]["ttft"] == pytest.approx(0.2) and stage.lines()[0]["latency"] == pytest.approx(0.5)


def test_failing_units_are_bounded() -> None:
    """While the store is away the set of failing units stops growing; the sums go on."""
    stage, most = Stage(), MAX_FAILING_UNITS
    for number in range(most + 7):
        stage.recorder.close(outcome("canary", failing(), end="failed", unit=str(number)), PRICES)
    batch = stage.recorder.take("a")
    assert batch and (len(batch.canary.bad["errors"]), batch.canary.errors) == (most, most + 7)


def test_scores_are_bounded() -> None:
    """Who is not among the scored any more is not among the badly scored either; the mean goes on."""
    most, stage, entry = MAX_FAILING_UNITS, Stage(), Entry.of(agent_named("a"), begun(agent_named("a")))
    for number in range(most + 7):
        booking = Booking(b"a", b"v2", "canary", False, 3, 5, str(number))
        stage.recorder.score(entry, booking, "v2", 0.0 if number else 1.0)
    batch = stage.recorder.take("a")
    assert batch and batch.canary.bad[SCORED].keys() == {str(number) for number in range(most)}
    assert batch.canary.bad["quality"].keys() == batch.canary.bad[SCORED].keys() - {"0"} and stage.asks_for_a_flush
    assert (batch.tallies["v2"].scores, batch.tallies["v2"].badness) == (most + 7, (most + 6) * WHOLE)


def timed(arm: ArmName, seconds: float, thresholds: Thresholds | None, cost: int = 500) -> Outcome:
    """An answer that took so long, and cost so much at its first attempt, judged by those thresholds."""
    usage = Usage(60, 0, 40, 0)
    call = outcome(arm, Attempt("p/m", 0.0, status=200, usage=usage, cost_nano_usd=cost))
    call.received_at, call.thresholds = 100.0 - seconds, thresholds
    return call


@pytest.mark.parametrize("arm, seconds, bad", [("stable", 1.05, True), ("canary", 1.05, False), ("canary", 1.2, True)])
def test_slow_is_slow_by_the_arms_own_threshold(arm: ArmName, seconds: float, bad: bool) -> None:
    """The canary is granted the guardrail's margin; slowness is usual and hurries nobody."""
    stage = Stage()
    batch = stage.close(timed(arm, seconds, THRESHOLDS[arm]))
    found = batch.canary if arm == "canary" else batch.stable
    assert (SLOW in found.bad, found.errors, found.requests) == (bad, 0, 1)
    assert not stage.asks_for_a_flush


def test_before_the_freeze_nothing_is_slow_or_dear() -> None:
    """There is nothing to measure by yet; what thresholds are taken from is counted."""
    batch = Stage().close(timed("canary", 3000.0, None))
    assert batch.canary.bad == {} and batch.canary.samples == {} and len(batch.canary.units) == 1
    assert batch.tallies["v2"].cost == {amount_bucket(500): 1} and batch.tallies["v2"].tokens.total() == 1


@pytest.mark.parametrize("arm, most", [("stable", 10_000), ("canary", 10_500)])
def test_costs_are_sums_in_parts_of_stables_cap(arm: ArmName, most: int) -> None:
    """One dear call weighs no more than the cap, and a little more on the canary: that is its margin."""
    stage = Stage()
    for cost in (500, 10**9):
        stage.recorder.close(timed(arm, 0.1, THRESHOLDS[arm], cost), PRICES)
    batch = stage.recorder.take("a")
    assert batch
    sums = (batch.canary if arm == "canary" else batch.stable).samples["cost"]
    assert (sums.n, sums.total, sums.squares) == (2, 5000 + most, 5000**2 + most**2)
    assert list(sums.bins.values()) == [[5000 + most, 2]]


def test_a_failed_call_is_neither_slow_nor_cheap() -> None:
    """It is a failure, and says nothing of time and cost."""
    call = outcome("canary", failing(), end="failed")
    call.received_at, call.thresholds = 0.0, THRESHOLDS["canary"]
    assert (arm := Stage().close(call).canary).bad.keys() == {"errors", "errors!"} and arm.samples == {}


def overtaken(arm: ArmName, after: float, stream: bool = False) -> Outcome:
    """A call whose first attempt was cancelled after so many seconds, because the hedge had answered."""
    call = timed(arm, after, THRESHOLDS[arm])
    call.hedge, call.stream, call.late = "won", stream, True
    (first,) = call.attempts
    first.status, first.failure, first.ended_at = None, "overtaken", call.received_at + after
    call.attempts.append(Attempt("q/m", 99.9, status=200, usage=Usage(60, 0, 40, 0), cost_nano_usd=500))
    return call


def test_a_hedge_is_counted_and_is_no_fallback() -> None:
    """A judged call without an error, of which both attempts are paid for."""
    tally = Stage().close(overtaken("canary", 0.3)).tallies["v2"]
    assert (tally.requests, tally.errors, tally.unjudged, tally.fallbacks) == (1, 0, 0, 0)
    assert (tally.hedges, tally.hedges_won, tally.cost_nano_usd) == (1, 1, 1000)


def test_what_an_overtaken_attempt_took_is_not_known() -> None:
    """It would make its version look cheap: it is in no mean, and in no distribution from which caps are taken."""
    batch = Stage().close(overtaken("canary", 0.3))
    assert batch.canary.requests == 1 and batch.canary.samples == {}
    assert not batch.tallies["v2"].cost and not batch.tallies["v2"].tokens


@pytest.mark.parametrize(
    ("arm", "after", "slow"), [("stable", 0.3, True), ("canary", 0.3, False), ("canary", 1.2, True)]
)
def test_what_a_hedge_leaves_open_is_decided_in_the_canarys_favour(arm: ArmName, after: float, slow: bool) -> None:
    """Stable's overtaken call is slow; the canary's is when it had been slow already."""
    batch = Stage().close(overtaken(arm, after))
    found = batch.canary if arm == "canary" else batch.stable
    assert (SLOW in found.bad, found.errors) == (slow, 0)


def test_an_overtaken_stream_was_late_with_its_first_token() -> None:
    """And a plain answer has none to be late with."""
    guardrails = (parse("ttft_p90 <= stable * 1.10"),)
    for stream in (True, False):
        call = overtaken("stable", 0.3, stream=stream)
        call.thresholds = arm_thresholds(guardrails, {"ttft:0.9": 0.2})
        assert any(name.startswith("ttft") for name in Stage().close(call).stable.bad) is stream


@pytest.mark.parametrize(("arm", "late", "errors"), [("canary", True, 0), ("canary", False, 1), ("stable", True, 1)])
def test_a_late_failure_that_a_hedge_might_have_hidden(arm: ArmName, late: bool, errors: int) -> None:
    """On stable it might not have been seen, so it is not held against the canary; the status shows it all the same."""
    stage = Stage()
    call = outcome(arm, failing(), end="failed")
    call.late = late
    batch = stage.close(call)
    found = batch.canary if arm == "canary" else batch.stable
    assert (found.requests, found.errors, "errors" in found.bad) == (1, errors, bool(errors))
    assert batch.tallies[call.version].errors == 1
    assert stage.asks_for_a_flush is (arm == "canary" and not late)


def test_a_hedge_that_took_over_from_a_failure_is_a_fallback() -> None:
    """The first attempt failed while both were under way: the error is the version's, the answer the chain's."""
    call = outcome("stable", failing(), Attempt("q/m", 99.6, status=200))
    call.hedge = "won"
    tally = Stage().close(call).tallies["v1"]
    assert (tally.errors, tally.fallbacks, tally.hedges_won) == (1, 1, 1)


def test_a_hedge_that_lost_is_no_fallback() -> None:
    """The version's own target answered, or its word ended the call."""
    for first in (Attempt("p/m", 99.5, status=200), Attempt("p/m", 99.5, status=422, failure="status")):
        call = outcome("stable", first, Attempt("q/m", 99.6, failure="overtaken"))
        call.hedge = "lost"
        tally = Stage().close(call).tallies["v1"]
        assert (tally.hedges, tally.hedges_won, tally.fallbacks) == (1, 0, 0)
        assert call.answering is first


def test_the_line_of_a_call_says_what_became_of_its_hedge() -> None:
    """None for a call that had none."""
    stage = Stage()
    stage.close(overtaken("canary", 0.3))
    stage.close(outcome())
    assert [line["hedge"] for line in stage.lines()] == ["won", None]
    assert stage.lines()[0]["attempts"] == [["p/m", None, "overtaken"], ["q/m", 200, None]]


def test_units_are_counted_as_far_as_a_step_asks() -> None:
    """Of the canary only; beyond that a set would grow for nothing."""
    stage = Stage()
    for number in range(100):
        stage.recorder.close(outcome("canary", unit=str(number)), PRICES)
        stage.recorder.close(outcome("stable", unit=str(number)), PRICES)
    batch = stage.recorder.take("a")
    assert batch and (len(batch.canary.units), batch.stable.units) == (MAX_UNITS, set())


def test_what_waits_can_be_looked_at() -> None:
    """By its evidence epoch, and it is left where it is."""
    stage = Stage()
    stage.recorder.close(outcome(), PRICES)
    assert stage.recorder.pending("a", 5) is stage.recorder.take("a")
    assert stage.recorder.pending("a", 5) is None


def test_batches_are_taken_once_and_oldest_first() -> None:
    """One for each epoch; what was taken is forgotten."""
    stage = Stage()
    for epoch in (5, 6, 5):
        each = outcome()
        each.evidence = epoch
        stage.recorder.close(each, PRICES)
    assert list(stage.recorder.agents()) == ["a"]
    taken = [stage.recorder.take("a") for _ in range(3)]
    assert [(batch.evidence, batch.stable.requests) for batch in taken if batch] == [(5, 2), (6, 1)]
    assert list(stage.recorder.agents()) == [] and taken[2] is None


def test_every_call_is_one_line() -> None:
    """With its version, why it was chosen, how it ended and what it cost."""
    stage = Stage()
    stage.close(outcome("canary", Attempt("p/m", 99.5, status=200, usage=Usage(3, 0, 2, 0), cost_nano_usd=5)))
    (line,) = stage.lines()
    assert (line["version"], line["reason"], line["arm"], line["end"]) == ("v2", "split", "canary", "answered")
    assert line["cost_usd"] == 5e-9 and line["attempts"] == [["p/m", 200, None]] and line["failed"] is False


def test_a_line_says_why_attempts_failed() -> None:
    """Each that failed, with the provider's id and the time it took; what answered has no such part."""
    stage = Stage()
    failed = Attempt("p/m", 99.25, 99.5, status=500, failure="status", message="overloaded", counts=True, code="c")
    failed.upstream_id = "req-1"
    stage.close(outcome("stable", failed, Attempt("q/m", 99.5, status=200)))
    stage.close(outcome("stable", Attempt("p/m", 99.5, status=200)))
    first, second = stage.lines()
    (told,) = first["failures"]
    assert first["why"] == told["message"] == "overloaded" and told["seconds"] == 0.25
    assert (told["target"], told["code"], told["param"], told["upstream_id"]) == ("p/m", "c", None, "req-1")
    assert second["why"] is None and "failures" not in second


def test_a_failure_is_counted_by_its_kind() -> None:
    """A fallback's is not the version's, and no part of it."""
    stage = Stage()
    stage.recorder.close(outcome("canary", failing()), PRICES)
    lost = Attempt("q/m", 99.6, failure="lost", counts=True)
    stage.recorder.close(outcome("canary", replace(failing(), failure="timeout"), lost), PRICES)
    assert stage.close(outcome("canary")).tallies["v2"].failures == {"status": 1, "timeout": 1}


def test_units_that_begin_are_counted() -> None:
    """A later call of the same unit is none."""
    stage = Stage()
    stage.recorder.close(replace(outcome("canary"), begins=True), PRICES)
    assert stage.close(outcome("canary")).tallies["v2"].units == 1


def test_calls_are_apart_by_arm_and_time() -> None:
    """In one batch, which may wait for hours: for the curves; a score comes when it is given."""
    stage = Stage()
    stage.recorder.close(outcome("stable"), PRICES)
    stage.now += 30
    stage.recorder.close(outcome(None), PRICES)
    batch = stage.close(outcome("canary"))
    batch.cells.sent_at = stage.recorder.now()
    assert [(round(age), key, arm) for age, key, arm, _ in batch.cells.aged()] == [
        (30, "v1", "stable"), (0, "v1", ""), (0, "v2", "canary"),
    ]  # fmt: skip


def test_tallies_merge_as_if_counted_together() -> None:
    """Two calls in one batch are the sum of two batches of one."""
    together, apart = Stage(), Tally()
    for number in range(2):
        together.recorder.close(outcome("stable", Attempt("p/m", 99.5, usage=Usage(number, 0, 1, 0))), PRICES)
        apart.merge(Stage().close(outcome("stable", Attempt("p/m", 99.5, usage=Usage(number, 0, 1, 0)))).tallies["v1"])
    batch = together.recorder.take("a")
    assert batch and batch.tallies["v1"] == apart


def test_a_censored_call_is_no_evidence() -> None:
    """It is in its version's sums; that the arm is served is known all the same."""
    censored = outcome("canary", failing())
    censored.censored = True
    batch = Stage().close(censored)
    assert (batch.canary.requests, batch.canary.errors, batch.canary.bad, batch.canary.uncounted) == (0, 0, {}, 1)
    assert (batch.tallies["v2"].errors, batch.tallies["v2"].censored) == (1, 1)


def test_a_call_of_an_earlier_steps_conversation_is_booked_apart() -> None:
    """The running step has no part in it, but knows that the arm is served; a failure is told at once."""
    stage, call = Stage(), outcome("canary", failing())
    call.origin = 4
    batch = stage.close(call)
    assert (batch.canary.requests, batch.canary.bad, batch.canary.uncounted) == (0, {}, 1)
    _, canary = batch.earlier[4]
    assert (canary.requests, canary.bad) == (1, {"errors": {unit_id("u"): WHOLE}})
    assert stage.asks_for_a_flush and batch.tallies["v2"].held == 0
    good = outcome("stable")
    good.origin = 4
    batch = stage.close(good)
    assert (batch.earlier[4][0].requests, batch.stable.uncounted) == (1, 1)


def rejected() -> Attempt:
    return Attempt("p/m", 99.5, status=404, failure="status", rejected=True)


def test_a_failure_that_no_request_brings_about_is_no_partys() -> None:
    """So it proves something, whoever is left out; what a caller may have caused is its party's."""
    theirs, nobodys = outcome("canary", failing()), outcome("canary", replace(failing(), caller_can_cause=False))
    theirs.party = nobodys.party = "c5"
    assert Stage().close(theirs).canary.requests_of == {"c5": 1}
    batch = Stage().close(nobodys)
    assert (batch.canary.errors, batch.canary.party_of, batch.canary.requests_of) == (1, {}, {})


def test_a_rejected_request_is_noted_under_its_unit_and_its_party() -> None:
    """It is no judged call, and no error."""
    noted = outcome("canary", rejected(), end="refused")
    noted.party = "c5"
    batch = Stage().close(noted)
    unit = {unit_id("u"): WHOLE}
    assert (batch.canary.bad, batch.canary.party_of) == (
        {"rejections": unit, "rejections!": unit}, {unit_id("u"): "c5"}
    )  # fmt: skip
    assert (batch.canary.requests, batch.canary.errors, batch.canary.uncounted, batch.parties) == (0, 0, 1, {"c5"})
    assert (batch.tallies["v2"].rejected, batch.tallies["v2"].unjudged) == (1, 1)


@pytest.mark.parametrize("arm", ["canary", "stable"])
def test_a_rejection_of_the_canary_is_told_at_once(arm: ArmName) -> None:
    """As a failure is: its client was not served either."""
    stage = Stage()
    stage.close(outcome(arm, rejected(), end="refused"))
    assert stage.asks_for_a_flush is (arm == "canary")


def test_what_a_circuit_censors_is_not_noted_as_rejected() -> None:
    """Its arm is not compared at that time."""
    censored = outcome("canary", rejected(), end="refused")
    censored.censored = True
    batch = Stage().close(censored)
    assert batch.canary.bad == {}


def test_a_rejection_that_a_hedge_might_have_hidden_is_excused() -> None:
    """As an error would be."""
    late = outcome("canary", rejected(), end="refused")
    late.late = True
    assert Stage().close(late).canary.bad == {}


def test_a_prompt_cache_makes_no_arm_cheaper_to_the_guardrail() -> None:
    """The busier arm finds more of its prompts there; the money that is shown stays what was paid."""

    @dataclass(frozen=True)
    class Price:
        target: str = "p/m"
        since: date = date(2001, 1, 1)
        input: float = 2.0
        output: float = 8.0
        cached_input: float | None = 0.2
        cache_write: float | None = 2.5
        cache_write_1h: float | None = None
        input_audio: float | None = None
        output_audio: float | None = None
        output_image: float | None = None
        service_tier: str | None = None

    read, written = Usage(1000, 900, 10, 0), Usage(1000, 0, 10, 0, cache_written=900)
    seen = []
    for usage in (Usage(1000, 0, 10, 0), read, written):
        stage, took = Stage(), outcome("canary", Attempt("p/m", 99.5, usage=usage))
        took.thresholds = Thresholds((), {"cost": Scale(4e6, 20_000)})
        stage.recorder.close(took, PriceBook((Price(),), {}))
        batch = stage.recorder.take("a")
        assert batch is not None
        seen.append((batch.canary.samples["cost"].total, dict(batch.tallies["v2"].cost)))
        assert took.attempts[0].cost_nano_usd == batch.tallies["v2"].cost_nano_usd
    assert seen[0] == seen[1] == seen[2]


def test_an_answer_that_a_content_filter_cut_is_judged_and_rejected() -> None:
    """It was served like any other; that it is a refusal is compared beside."""
    batch = Stage().close(outcome("canary", Attempt("p/m", 99.5, status=200, rejected=True)))
    assert (batch.canary.requests, batch.canary.uncounted, batch.canary.errors) == (1, 0, 0)
    assert batch.canary.bad == {name: {unit_id("u"): WHOLE} for name in ("rejections", "rejections!")}
    assert (batch.tallies["v2"].rejected, batch.tallies["v2"].unjudged) == (1, 0)


def left(arm: ArmName, seconds: float, **about: Any) -> Outcome:
    """A call whose client has left after so long."""
    gone = timed(arm, seconds, THRESHOLDS[arm])
    gone.end = "client_gone"
    return replace(gone, **about)


@pytest.mark.parametrize("arm", ["stable", "canary"])
def test_who_leaves_has_waited_for_so_long_at_least(arm: ArmName) -> None:
    """Else a slow arm would be the quicker the more of its clients lose patience; who leaves sooner tells nothing."""
    for seconds, slow in ((0.9, False), (5.0, True)):
        batch = Stage().close(left(arm, seconds))
        counts = batch.canary if arm == "canary" else batch.stable
        assert (SLOW in counts.bad, counts.requests, counts.uncounted) == (slow, 0, 1)


def test_what_a_failure_hides_of_stables_latency_counts_as_slow() -> None:
    """A failing stable has fewer slow answers, so a sound canary would look slow. The canary's count for nothing."""
    assert lost("stable", failing(), "failed") == ({"errors", *SLOWNESS}, 1, 0)
    assert lost("canary", failing(), "failed") == ({"errors", "errors!"}, 1, 0)


def test_a_rate_limit_hides_nothing_of_stable_either() -> None:
    """The busier arm has more of them: what it did not serve counts as bad in the comparison, not in its error rate."""
    limited = Attempt("p/m", 99.5, status=429, failure="status")
    assert lost("stable", limited, "refused") == ({"errors", *SLOWNESS}, 0, 1)
    assert lost("canary", limited, "refused") == (set(), 0, 1)


SLOWNESS = {slow.component for slow in THRESHOLDS["stable"].slow}


def lost(arm: ArmName, attempt: Attempt, end: End) -> tuple[set[str], int, int]:
    """Under what a call is bad that this attempt has not served; the errors, and the calls that are no evidence."""
    batch = Stage().close(replace(timed(arm, 0.1, THRESHOLDS[arm]), attempts=[attempt], end=end))
    counts = batch.canary if arm == "canary" else batch.stable
    return set(counts.bad), counts.errors, counts.uncounted


def test_a_later_turn_counts_for_the_unit_that_drew_its_arm() -> None:
    """Once, however many units its turns have, and its later bad calls as that unit's."""
    stage, batches = Stage(), list[Batch]()
    for number in range(4):
        call = outcome("canary", failing(), end="failed", unit=f"answer {number}")
        call.drawn = "d" * 16
        batches.append(stage.close(call))
    assert all(batch.canary.bad["errors"].keys() == {"d" * 16} == batch.canary.units for batch in batches)
    assert [set(batch.canary.bad) >= {"errors#4"} for batch in batches] == [False, False, False, True]
    assert sum(batch.canary.requests for batch in batches) == 4


@pytest.mark.parametrize("arm", ["canary", "stable"])
def test_turns_that_are_known_by_words_are_counted_in_the_canarys_favour(arm: ArmName) -> None:
    """How many conversations get the same answer depends on the version: of stable each bad call counts, of the canary
    one a conversation. What follows it is left out, and no sum has any of them."""
    stage, bad, left_out = Stage(), set[str](), 0
    for number in range(20):
        call = outcome(arm, failing(), end="failed", unit="answer")
        call.drawn, call.by_words, call.call_id = "d" * 16, True, f"call {number}"
        batch = stage.close(call)
        counts = batch.canary if arm == "canary" else batch.stable
        assert (counts.requests, counts.errors, counts.samples, counts.units) == (0, 0, {}, set())
        bad |= counts.bad["errors"].keys()
        assert set(counts.bad) <= {"errors", "errors!"}
        left_out += counts.left_out
    assert (len(bad), left_out) == ((1, 19) if arm == "canary" else (20, 0))


def test_held_calls_of_the_canary_are_counted() -> None:
    """By which a rollout knows that it lacks evidence."""
    call = outcome("canary")
    call.held = True
    assert Stage().close(call).canary.left_out == 1
