"""What behaviours count for: sums, evidence of their arm, and what a loss hides of them."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.calls import ArmName, Attempt, Outcome
from gateway.rollout.weighing import unit_id
from policies.behaviours.behaviours import Behaviour
from policies.evidence.tally import Tally
from policies.guardrails.grammar import parse
from policies.guardrails.thresholds import Thresholds, arm_thresholds
from tests.gateway.rollout.stage import Stage, failing
from tests.support.trials import outcome

WATCHED = [parse(text) for text in ("bad_tools <= stable * 1.5", "tool_errors <= stable * 2", "truncated <= 5%")]
THRESHOLDS = arm_thresholds(WATCHED, {})
UNIT = unit_id("u")


def showing(*shown: Behaviour, arm: ArmName = "canary", tried: Attempt | None = None, **more: Any) -> Outcome:
    """A call of the unit u that shows these behaviours."""
    closed = outcome(arm, *([tried] if tried else []), **more)
    return replace(closed, unit="u", shown=shown, thresholds=THRESHOLDS)


def test_what_is_watched_is_evidence_and_all_is_summed_up() -> None:
    """A behaviour that no guardrail and no signal names is in the sums alone."""
    batch = Stage().close(showing("truncated", "bad_tools", "empty"))
    assert batch.canary.bad.keys() == {"bad_tools", "truncated", "truncated!"} and UNIT in batch.canary.bad["truncated"]
    assert batch.tallies["v2"].behaviours == {"truncated": 1, "bad_tools": 1, "empty": 1}
    assert Tally.from_fields(batch.tallies["v2"].to_fields().items()) == batch.tallies["v2"]


def test_a_fourth_bad_call_of_a_conversation_is_an_event_of_its_own() -> None:
    """As it is of errors."""
    stage = Stage()
    for _ in range(3):
        stage.close(showing("bad_tools"))
    assert "bad_tools#4" in stage.close(showing("bad_tools")).canary.bad


@pytest.mark.parametrize("more", [{"censored": True}, {"held": True}, {"thresholds": None}])
def test_a_call_that_is_no_evidence_shows_nothing_against_its_arm(more: dict[str, Any]) -> None:
    """The sums have it all the same."""
    batch = Stage().close(replace(showing("bad_tools"), **more))
    assert "bad_tools" not in batch.canary.bad and batch.tallies["v2"].behaviours == {"bad_tools": 1}


def test_a_late_canary_has_an_excuse() -> None:
    """In stable a hedge might have hidden its answer (decision 13)."""
    assert Stage().close(replace(showing("truncated"), late=True)).canary.bad == {}
    assert "truncated" in Stage().close(replace(showing("truncated", arm="stable"), late=True)).stable.bad


def test_what_the_request_shows_counts_whatever_became_of_the_call() -> None:
    """A tool's error was known before the arm answered; what an unjudged answer shows counts for nothing."""
    limited = Attempt("p/m", 99.5, status=429, failure="status")
    batch = Stage().close(showing("tool_errors", "truncated", tried=limited, end="refused"))
    assert batch.canary.bad.keys() == {"tool_errors"}


def test_what_a_failure_hides_of_stables_behaviour_counts_as_shown() -> None:
    """The canary's counts for nothing (decision 34); arguments that are no JSON hide nothing."""
    lost = Stage().close(showing(arm="stable", tried=failing(), end="failed")).stable
    assert lost.bad.keys() == {"errors", "bad_tools", "truncated"}
    assert Stage().close(showing(tried=failing(), end="failed")).canary.bad.keys() == {"errors", "errors!"}
    seen = replace(failing(), failure="bad_tool_arguments", status=200)
    assert Stage().close(showing("bad_tools", arm="stable", tried=seen)).stable.bad.keys() == {"errors", "bad_tools"}


def test_an_absolute_limit_counts_the_checks_that_find_nothing() -> None:
    """One call of a unit in ten seconds, as for errors."""
    arm = Stage().close(showing()).canary
    assert arm.checks == {("truncated", ""): 1, ("errors", ""): 1} and arm.bad == {}
    assert ("truncated", "") not in Stage().close(showing("truncated")).canary.checks
    assert Stage().close(replace(showing("truncated"), late=True)).canary.checks == {("errors", ""): 1}


def test_a_conversation_has_one_loop() -> None:
    """However many tools go round in it."""
    stage, watched = Stage(), arm_thresholds([parse("tool_loops <= stable * 2")], {})
    for _ in range(4):
        batch = stage.close(replace(showing("tool_loops"), thresholds=watched))
    assert batch.canary.bad.keys() == {"tool_loops"}


def test_thresholds_name_what_is_watched() -> None:
    """Each behaviour once, whatever else guardrails watch; those with a limit apart."""
    more = [parse("truncated <= stable * 3"), parse("error_rate <= 20%")]
    found = arm_thresholds([*WATCHED, *more], {})
    assert (found.behaviours, found.limited) == (("bad_tools", "tool_errors", "truncated"), ("truncated",))
    assert arm_thresholds(more[1:], {}) == Thresholds()
