"""The journey of a canary: every way its record may change, and that a rollback lasts."""

from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.evidence.evidence import Evidence
from policies.evidence.traffic import blocked
from policies.guardrails.guardrails import bank
from policies.rollout.rollout import (
    NO_VERDICT_SECONDS,
    WATCH_AFTER_SECONDS,
    Decision,
    advance,
    banked,
    decide,
    reconcile,
    restore,
    waits_for,
)
from policies.rollout.state import Intent, State, Step, VersionRef, percent
from policies.rollout.verbs import VERBS, Command, Refused, act
from tests.policies.evidences import BAD, GOOD, arm, errors
from tests.policies.rollout.records import (
    GUARDRAILS,
    STEPS,
    TRIAL,
    V1,
    V2,
    V3,
    after,
    completed,
    findings,
    rolled_back,
    running,
)


def test_a_first_configuration_starts_the_trial() -> None:
    """Expected at epoch 0, where there is no record yet."""
    decision = reconcile(None, TRIAL, now=10.0)
    state = after(decision)
    assert (decision and decision.expected_epoch, state.epoch, state.rollout, state.evidence) == (0, 1, 1, 1)
    assert (state.phase, state.step, state.weight, state.began_at) == ("running", 1, 500, 10.0)
    assert (state.actor, state.reason) == ("configuration", "v2 on trial at 5% over v1")


def test_without_a_canary_nothing_is_on_trial() -> None:
    """A record all the same, which says who serves."""
    state = after(reconcile(None, Intent(V1, None), now=0.0))
    assert (state.phase, state.step, state.weight, state.action) == (None, 0, 0, "start")
    assert state.reason == "no canary; v1 serves everything"
    assert decide(state, Intent(V1, None), findings(BAD), now=1.0) is None


def test_an_unchanged_configuration_changes_nothing() -> None:
    """Any replica may reconcile as often as it likes; a version that was only renamed is the same version."""
    assert reconcile(running(), TRIAL, now=20.0) is None
    assert reconcile(running(), replace(TRIAL, canary=replace(V2, version="new")), now=20.0) is None
    assert reconcile(rolled_back(), TRIAL, now=30.0) is None


def test_removing_the_canary_ends_the_trial() -> None:
    """Everything to stable, by the configuration."""
    state = after(reconcile(running(), Intent(V1, None), now=20.0))
    assert (state.phase, state.weight, state.action, state.canary, state.epoch) == (None, 0, "end", None, 2)


@pytest.mark.parametrize("intent", [Intent(V1, V3, (Step(1000),)), Intent(V3, V2, (Step(1000),))])
def test_another_canary_or_stable_is_a_new_rollout(intent: Intent) -> None:
    """With fresh tallies and evidence, whatever the old one had gathered."""
    state = after(reconcile(running(banked={"x": 9.0}, segment=4), intent, now=20.0))
    assert (state.phase, state.step, state.weight, state.action) == ("running", 1, 1000, "start")
    assert (state.epoch, state.rollout, state.evidence, state.segment, state.banked) == (2, 2, 2, 1, {})


def test_another_weight_is_the_same_rollout_with_fresh_evidence() -> None:
    """The tallies go on; the evidence was about another share."""
    state = after(reconcile(running(), replace(TRIAL, steps=(Step(2500),)), now=20.0))
    assert (state.weight, state.action, state.actor) == (2500, "set_weight", "configuration")
    assert (state.epoch, state.rollout, state.evidence, state.segment, state.began_at) == (2, 1, 2, 2, 20.0)
    assert state.reason == "weight 5% -> 25% in the configuration"


def test_a_shorter_list_of_steps_puts_the_rollout_on_its_last_step() -> None:
    """The step that it stood on is gone."""
    state = after(reconcile(running(STEPS, step=3, weight=9800), replace(STEPS, steps=STEPS.steps[:2]), now=20.0))
    assert (state.step, state.weight) == (2, 2500)


@pytest.mark.parametrize(
    "steps, became",
    [
        ((Step(500, 60.0, 100), *STEPS.steps[1:]), "5% for 60 s, 100 requests → 25% for 600 s, approval"),
        ((STEPS.steps[0], Step(1000, 600.0)), "5% for 600 s, 100 requests → 10% for 600 s"),
        ((Step(500),), "5%"),
    ],
)
def test_changed_steps_are_followed_and_on_record(steps: tuple[Step, ...], became: str) -> None:
    """Where the share stays the evidence does, too; the record says once what the steps were and what they became."""
    edited = replace(STEPS, steps=steps)
    state = after(reconcile(running(STEPS), edited, now=30.0))
    assert (state.action, state.actor, state.epoch) == ("steps", "configuration", 2)
    assert (state.step, state.weight, state.evidence, state.began_at) == (1, 500, 1, 10.0)
    before = "5% for 600 s, 100 requests → 25% for 600 s, approval → 100% for 600 s"
    assert state.reason.startswith(f"in the configuration: {before} became {became}")
    assert reconcile(state, edited, now=31.0) is None


def test_a_record_from_before_steps_were_kept_is_not_taken_for_an_edit() -> None:
    """Nobody knows what the steps were then."""
    assert reconcile(running(STEPS, steps=()), STEPS, now=30.0) is None


def test_editing_a_number_moves_neither_a_pin_nor_what_is_out() -> None:
    """It is not the word that brings a canary back. That the steps are others now is on record nonetheless."""
    edited = replace(TRIAL, steps=(Step(5000),))
    assert reconcile(rolled_back(), edited, now=30.0) is None
    state = after(reconcile(running(pinned=True), edited, now=30.0))
    assert (state.action, state.weight, state.pinned, state.evidence) == ("steps", 500, True, 1)


def test_a_proven_breach_rolls_back() -> None:
    """Weight 0, by the controller, from the epoch it looked at; one sentence and the numbers say why."""
    decision = decide(running(), TRIAL, findings(BAD), now=20.0)
    state = after(decision)
    assert (state.phase, state.weight, state.action, state.actor) == ("rolled_back", 0, "roll_back", "controller")
    assert (decision and decision.expected_epoch, state.epoch, state.changed_at) == (1, 2, 20.0)
    assert state.rolled_back == {"digest-2": state.reason}
    assert state.reason.startswith(
        "error_rate <= stable * 1.25 is breached: canary 50.00% of 20 requests, stable 1.05% of 380; E = "
    )
    assert decision is not None
    assert decision.evidence.items() >= {"guardrail": GUARDRAILS[0].text, "threshold": 100.0, **asdict(BAD)}.items()


def test_an_absolute_breach_says_its_own_e_value() -> None:
    """No control was seen, and the family has nothing to say."""
    alone = replace(errors((50, 50), (0, 0), 0.5), control_unseen_seconds=300.0)
    decision = decide(running(), TRIAL, findings(alone), now=20.0)
    assert decision is not None
    assert "no calls of stable; E = " in decision.state.reason
    assert decision.evidence["e_value"] == decision.evidence["e_values"]["error_rate <= 20%"]


@pytest.mark.parametrize("changes", [{"phase": "paused"}, {"pinned": True}])
def test_neither_a_pause_nor_a_pin_keeps_a_bad_canary(changes: dict[str, Any]) -> None:
    """They hold the rollout where it is; it still takes traffic, so it is still watched."""
    assert after(decide(running(**changes), TRIAL, findings(BAD), now=20.0)).phase == "rolled_back"


def test_late_failures_decide_nothing_a_second_time() -> None:
    """Calls were in flight when it was taken out."""
    assert decide(rolled_back(), TRIAL, findings(BAD), now=21.0) is None


def test_a_step_held_well_leads_to_the_next() -> None:
    """With evidence of its own; what the ended step's components were worth is kept."""
    decision = decide(running(STEPS), STEPS, findings(GOOD), now=610.0)
    state = after(decision)
    assert (state.step, state.weight, state.action, state.segment) == (2, 2500, "advance", 2)
    assert (state.evidence, state.rollout, state.began_at, state.offset) == (2, 1, 610.0, 1)
    assert (state.banked, state.reason) == (bank(GUARDRAILS, GOOD), "step 1 ended without a breach: 5% -> 25%")
    assert decision is not None and decision.evidence["canary"]["requests"] == {0: 1000}


def test_banking_twice_changes_nothing() -> None:
    """Whoever commits may do it for every decision that ends a step."""
    once = banked(advance(running(STEPS), STEPS, "ada", "go", 20.0), findings(GOOD))
    assert banked(once, findings(GOOD)) == once


def test_the_last_step_completes() -> None:
    """The canary serves everything, and the decision says on which evidence."""
    state = completed()
    assert (state.phase, state.weight, state.action, state.offset) == ("completed", 10_000, "complete", 1)
    assert reconcile(state, STEPS, now=800.0) is None
    assert Step(10_000, 600.0).share == 9800
    assert Step(10_000).share == 10_000


def test_a_completed_canary_may_be_taken_back_for_a_day() -> None:
    """By the absolute guard, since no control is left; not later, and not when it is the configured stable by now."""
    alone = findings(replace(errors((50, 50), (0, 0), 1.0), control_unseen_seconds=300.0))
    assert after(decide(completed(), STEPS, alone, now=700.0 + WATCH_AFTER_SECONDS - 1)).phase == "rolled_back"
    assert decide(completed(), STEPS, alone, now=700.0 + WATCH_AFTER_SECONDS) is None
    assert decide(completed(), Intent(V2, None), alone, now=800.0) is None
    assert decide(completed(), STEPS, findings(GOOD), now=800.0) is None


def test_making_the_completed_canary_the_configured_stable_changes_nothing() -> None:
    """That is what an operator should do; the next canary then begins over it."""
    assert reconcile(completed(), Intent(V2, None), now=800.0) is None
    assert after(reconcile(completed(), Intent(V2, V3, (Step(500),)), now=800.0)).phase == "running"
    assert after(reconcile(completed(), Intent(V3, None), now=800.0)).phase is None


@pytest.mark.parametrize(
    ("state", "evidence", "now", "why"),
    [
        (running(STEPS), GOOD, 600.0, "the step lasts for another 10 s"),
        (running(STEPS), errors((99, 1), (1900, 19)), 610.0, "1 more canary requests are needed"),
        (running(STEPS), replace(GOOD, canary=arm(1000, 29)), 610.0, "1 more units on the canary are needed"),
        (running(STEPS, step=2), GOOD, 610.0, "a person's approval is needed"),
        (running(STEPS), errors((200, 10), (3800, 38)), 610.0, "the canary is suspect: E = "),
        (running(STEPS), replace(GOOD, minute=9), 610.0, "no call was seen for 8 minutes"),
        (running(TRIAL), GOOD, 610.0, "there are no steps: the weight stays until the configuration changes"),
    ],
)  # fmt: skip
def test_what_a_rollout_waits_for(state: State, evidence: Evidence, now: float, why: str) -> None:
    """Each reason in words, and none of them lets it go on."""
    intent = STEPS if why.find("no steps") < 0 else TRIAL
    found = findings(evidence, *blocked(evidence))
    waits = waits_for(state, intent, found, now)
    assert len(waits) == 1
    assert waits[0].startswith(why)
    assert decide(state, intent, found, now) is None


@given(st.integers(0, 10**6), st.integers(0, 2000), st.integers(0, 60), st.integers(0, 30))
def test_nothing_is_promoted_on_missing_data(seconds: int, calls: int, units: int, minute: int) -> None:
    """Whatever the hold: without calls, units and traffic until lately the step stays."""
    evidence = Evidence(0.05, arm(calls, units), arm(calls * 19), minute=minute)
    decision = decide(running(STEPS), STEPS, findings(evidence, *blocked(evidence)), now=10.0 + seconds)
    if decision is not None and decision.state.action == "advance":
        assert seconds >= 600 and calls >= 100 and units >= 30 and minute < 6
    else:
        assert decision is None or decision.state.phase == "paused"


def test_a_day_without_a_verdict_pauses() -> None:
    """Somebody has to look, and is told at what. Waiting for an approval may take longer."""
    late, few = 10.0 + NO_VERDICT_SECONDS, findings(errors((9, 0), (180, 2)))
    paused = after(decide(running(STEPS), STEPS, few, now=late))
    assert (paused.phase, paused.action, paused.weight, paused.segment) == ("paused", "pause", 500, 1)
    assert paused.reason.startswith("no verdict for 24 h: 91 more canary requests are needed; ")
    assert decide(running(STEPS), STEPS, few, now=late - 1) is None
    assert decide(running(STEPS, step=2), STEPS, findings(GOOD), now=late) is None
    assert decide(running(TRIAL), TRIAL, few, now=late) is None


@pytest.mark.parametrize("changes", [{"phase": "paused"}, {"pinned": True}])
def test_automation_passes_neither_a_pause_nor_a_pin(changes: dict[str, Any]) -> None:
    """However well the step was held."""
    assert decide(running(STEPS, **changes), STEPS, findings(GOOD), now=9999.0) is None


def test_a_replica_with_another_configuration_does_not_go_on() -> None:
    """Its steps are not this rollout's; a proven breach is one all the same."""
    other = replace(STEPS, canary=V3)
    assert decide(running(STEPS), other, findings(GOOD), now=9999.0) is None
    assert after(decide(running(STEPS), other, findings(BAD), now=9999.0)).phase == "rolled_back"


def test_a_rollback_lasts_over_removal_and_return_of_the_canary() -> None:
    """Taking the lines out and putting them back is not the word either; the reason names the way out."""
    removed = after(reconcile(rolled_back(), Intent(V1, None), now=30.0))
    back = after(reconcile(removed, TRIAL, now=40.0))
    assert (back.phase, back.weight, back.step) == ("rolled_back", 0, 0)
    assert back.reason.endswith("; change it, or run 'serinus rollout retry'")
    assert rolled_back().reason in back.reason


def test_a_changed_canary_gets_its_trial() -> None:
    """An edited prompt under the same name is a new version; the old one stays out."""
    edited = after(reconcile(rolled_back(), replace(TRIAL, canary=VersionRef("v2", "digest-9")), now=30.0))
    assert (edited.phase, edited.weight, set(edited.rolled_back)) == ("running", 500, {"digest-2"})


def test_a_store_that_is_lost_again_and_again_is_said_once() -> None:
    """The reason names the last loss, and why the canary is out; it does not grow."""
    first = restore(rolled_back(), None, now=30.0).state
    again = restore(restore(first, None, now=31.0).state, replace(first, epoch=1), now=32.0).state
    assert again.reason == f"the store came back at the older epoch 1; {rolled_back().reason}"


def test_a_lost_record_is_put_back_higher() -> None:
    """Towards stable: still rolled back, and the audit trail says what happened."""
    decision = restore(rolled_back(), None, now=30.0)
    assert (decision.expected_epoch, decision.state.epoch, decision.evidence) == (0, 3, {"lost_epoch": 2})
    assert (decision.state.phase, decision.state.weight) == ("rolled_back", 0)
    assert decision.state.reason == f"the store lost the record; {rolled_back().reason}"
    assert restore(rolled_back(), running(), now=30.0).state.reason.startswith(
        "the store came back at the older epoch 1; "
    )


def test_another_history_is_left_behind_at_a_higher_epoch_than_both() -> None:
    """The store shows a later record that forgets the rollback: what was seen holds, above that record's epoch."""
    found = replace(running(), epoch=7)
    decision = restore(rolled_back(), found, now=30.0)
    assert (decision.expected_epoch, decision.state.epoch, decision.state.phase) == (7, 8, "rolled_back")
    assert decision.state.reason.startswith("the store came back with another history at epoch 7; ")


def test_a_restored_trial_begins_anew() -> None:
    """At the first step and its share, without evidence; unless a person holds it at a weight."""
    lost = running(STEPS, step=3, weight=9800, banked={"x": 9.0}, segment=3, offset=7)
    state = restore(lost, None, now=30.0).state
    assert (state.step, state.rollout, state.evidence, state.segment, state.offset) == (1, 2, 2, 1, 0)
    assert after(reconcile(state, STEPS, now=31.0)).weight == 500
    held = restore(replace(lost, pinned=True), None, now=30.0).state
    assert (held.step, held.weight, reconcile(held, STEPS, now=31.0)) == (3, 9800, None)


def test_a_replica_that_has_seen_more_never_reuses_an_epoch() -> None:
    """The record is gone, and what was known of it was higher."""
    assert after(reconcile(None, TRIAL, now=0.0, highest_epoch=41)).epoch == 42


INTENTS = st.sampled_from(
    [STEPS, TRIAL, Intent(V1, None), Intent(V2, None), Intent(V1, V3, STEPS.steps), replace(STEPS, stable=V3)]
)
DEEDS = st.sampled_from(["reconcile", "good", "bad", "restore", *VERBS])


def deed(state: State, name: str, intent: Intent, now: float) -> Decision | None:
    """What comes of it; what is refused changes nothing."""
    if name == "reconcile":
        return reconcile(state, intent, now)
    if name in ("good", "bad"):
        return decide(state, intent, findings(GOOD if name == "good" else BAD), now)
    if name == "restore":
        return restore(state, None, now)
    try:
        return act(state, intent, Command(name, "ada", "because", weight=3000, metric="cost"), now)
    except Refused:
        return None


@given(st.lists(st.tuples(DEEDS, INTENTS, st.integers(0, 2000)), max_size=25))
def test_whatever_happens_a_person_has_the_last_word(story: list[tuple[str, Intent, int]]) -> None:
    """Epochs only grow; a digest that is out takes no traffic until a retry; automation passes no pin and no pause."""
    state, now = running(STEPS), 10.0
    for name, intent, seconds in story:
        now += seconds
        decision = deed(state, name, intent, now)
        if decision is None:
            continue
        before, state = state, decision.state
        assert state.epoch == before.epoch + 1
        assert state.rollout <= state.evidence <= state.epoch
        assert name == "retry" or before.rolled_back.keys() <= state.rolled_back.keys()
        assert state.canary is None or state.canary.digest not in state.rolled_back or state.weight == 0
        if name in ("good", "bad"):
            assert state.action in ("advance", "complete", "roll_back")
            assert state.action == "roll_back" or not (before.pinned or before.phase != "running")
            assert state.dismissed == before.dismissed and state.pinned == before.pinned


@pytest.mark.parametrize(("points", "text"), [(0, "0%"), (1, "0.01%"), (500, "5%"), (1250, "12.5%"), (10_000, "100%")])
def test_basis_points_are_written_as_percent(points: int, text: str) -> None:
    """Without zeros that say nothing."""
    assert percent(points) == text


def alone() -> Evidence:
    """Each of the only caller's calls on the canary fails; another one may be about to call."""
    own = {"errors": {0: 6_000_000}, "errors@c7": {0: 6_000_000}}
    canary = replace(arm(6, 6), bad=own, bad_units=dict.fromkeys(own, 6), requests_of={"c7": {0: 6}})
    return Evidence(0.05, canary, arm(114, 0), callers=2, observed_seconds=60.0)


def test_a_party_that_alone_shows_a_breach_is_excluded() -> None:
    """The step and its evidence go on, and the record says who, why, and what a person may do."""
    decision = decide(running(), TRIAL, findings(alone()), now=20.0)
    state = after(decision)
    assert (state.action, state.excluded, state.phase, state.weight) == ("exclude", ("c7",), "running", 500)
    assert (state.evidence, state.segment, state.rollout) == (1, 1, 1)
    assert state.reason.startswith("error_rate <= stable * 1.25 is breached by the calls of one caller (c7) alone")
    assert "they get v1 from now on; abort the rollout if you trust this" in state.reason
    assert decision and decision.evidence["party"] == "c7"
    assert decide(state, TRIAL, findings(alone()), now=21.0) is None
    assert any("kept from one caller (c7)" in reason for reason in waits_for(state, TRIAL, findings(alone()), 21.0))


@pytest.mark.parametrize("state", [running(phase="paused"), running(pinned=True), completed()])
def test_exclusion_is_for_safety_like_a_rollback(state: State) -> None:
    """Whoever has paused, pinned or completed the rollout."""
    assert after(decide(state, TRIAL, findings(replace(alone(), control_unseen_seconds=999.0)), now=60.0)).excluded


def test_an_excluded_party_holds_the_step() -> None:
    """Promotion would be on the word of those who are left."""
    assert decide(running(STEPS, excluded=("u3",)), STEPS, findings(GOOD), now=700.0) is None
    assert "one user (u3)" in waits_for(running(STEPS, excluded=("u3",)), STEPS, findings(GOOD), 700.0)[0]


def test_a_rollback_and_a_lost_store_exclude_nobody_any_more() -> None:
    """After the one nobody gets the canary, after the other nothing is shown."""
    assert after(decide(running(excluded=("c7",)), TRIAL, findings(BAD), now=20.0)).excluded == ()
    assert restore(running(excluded=("c7",)), None, now=20.0).state.excluded == ()
