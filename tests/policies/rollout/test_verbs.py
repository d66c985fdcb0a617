"""What people may do to a rollout, and what they are told when it makes no sense."""

from dataclasses import replace

import pytest

from policies.rollout.rollout import decide, reconcile
from policies.rollout.spending import pause_spent
from policies.rollout.state import Intent, State
from policies.rollout.verbs import VERBS, Command, Refused, act
from tests.policies.evidences import GOOD
from tests.policies.rollout.records import STEPS, TRIAL, V1, V3, completed, findings, rolled_back, running


def done(state: State, verb: str, intent: Intent = STEPS, **details: object) -> State:
    """The record after Ada's command."""
    decision = act(state, intent, replace(Command(verb, "ada", "because"), **details), now=50.0)  # type: ignore[arg-type]  # per verb
    assert (decision.expected_epoch, decision.state.epoch, decision.state.actor) == (
        state.epoch,
        state.epoch + 1,
        "ada",
    )
    return decision.state


def test_pause_and_resume() -> None:
    """The evidence stays; the hold begins again, so that a resumed step is not paused at once."""
    paused = done(running(STEPS), "pause")
    resumed = done(paused, "resume")
    assert (paused.phase, paused.segment, paused.weight) == ("paused", 1, 500)
    assert (resumed.phase, resumed.began_at, resumed.evidence) == ("running", 50.0, 1)


def test_resume_gives_the_canary_back_to_who_was_excluded() -> None:
    """With new evidence; also where the rollout is paused, or completed."""
    excluding = running(STEPS, excluded=("c7",))
    resumed = done(excluding, "resume")
    assert (resumed.excluded, resumed.segment, resumed.weight, resumed.step) == ((), 2, 500, 1)
    assert resumed.evidence == resumed.epoch and resumed.rollout == excluding.rollout
    assert resumed.reason == "because; the canary is given back to one caller (c7)"
    paused = done(replace(excluding, phase="paused"), "resume")
    assert (paused.phase, paused.excluded, paused.evidence) == ("running", (), paused.epoch)
    after_completion = done(replace(completed(), excluded=("c7", "u3"), acknowledged=("c7",)), "resume")
    assert (after_completion.phase, after_completion.excluded) == ("completed", ())


def test_promote_goes_one_step_and_frees_a_pin() -> None:
    """Whatever the evidence; the last step completes."""
    state = done(running(STEPS, pinned=True, phase="paused"), "promote")
    assert (state.step, state.weight, state.phase, state.pinned, state.action) == (2, 2500, "running", False, "promote")
    assert (state.segment, state.reason) == (2, "because: 5% -> 25%")
    assert done(running(STEPS, step=3), "promote").phase == "completed"


def test_promote_of_a_plain_weight_says_how_far() -> None:
    """From 5 % to every call is a word of its own: nobody goes there by asking for the next step."""
    with pytest.raises(Refused, match=r"a plain weight of 5% has no next step; .*: --to-end"):
        done(running(TRIAL), "promote", TRIAL)
    assert done(running(TRIAL), "promote", TRIAL, to_end=True).phase == "completed"


def test_promote_to_the_end_completes() -> None:
    """From any step."""
    state = done(running(STEPS), "promote", to_end=True)
    assert (state.phase, state.weight, state.reason) == ("completed", 10_000, "because")


@pytest.mark.parametrize("state", [running(STEPS), running(STEPS, phase="paused"), completed()])
def test_abort_takes_the_canary_out_for_good(state: State) -> None:
    """Also after it was completed; the configuration does not bring it back."""
    aborted = done(state, "abort")
    assert (aborted.phase, aborted.weight, aborted.rolled_back) == ("rolled_back", 0, {"digest-2": "ada: because"})
    assert reconcile(aborted, STEPS, now=60.0) is None


def test_an_approved_step_goes_on() -> None:
    """The approval counts for this step alone."""
    approved = done(running(STEPS, step=2, weight=2500), "approve")
    decision = decide(approved, STEPS, findings(GOOD), now=700.0)
    assert decision is not None
    assert (approved.approved, decision.state.step, decision.state.approved) == (True, 3, False)


@pytest.mark.parametrize("state", [running(STEPS), running(STEPS, step=2, approved=True), running(STEPS, step=0)])
def test_there_is_nothing_to_approve(state: State) -> None:
    """The step wants none, has it, or does not exist."""
    with pytest.raises(Refused, match="needs no approval"):
        act(state, STEPS, Command("approve", "ada", "because"), now=50.0)


def test_pin_and_unpin() -> None:
    """Same weight, same evidence."""
    pinned = done(running(STEPS), "pin")
    assert (pinned.pinned, pinned.weight, pinned.segment) == (True, 500, 1)
    assert done(pinned, "unpin").pinned is False
    with pytest.raises(Refused, match="not pinned"):
        act(running(STEPS), STEPS, Command("unpin", "ada", "because"), now=50.0)


def test_unpin_gives_back_the_share_of_the_step() -> None:
    """At once and under that person's name, and not whenever some replica next reads its files."""
    state = done(done(running(STEPS), "set-weight", weight=3000), "unpin")
    assert (state.weight, state.pinned, state.segment) == (500, False, 3)
    assert (state.actor, state.reason) == ("ada", "30% -> 5%: because")
    assert reconcile(state, STEPS, now=60.0) is None


def test_set_weight_pins() -> None:
    """Otherwise the configuration would move it back."""
    state = done(running(STEPS), "set-weight", weight=3000)
    assert (state.weight, state.pinned, state.segment, state.reason) == (3000, True, 2, "5% -> 30%: because")
    assert reconcile(state, STEPS, now=60.0) is None


@pytest.mark.parametrize("weight", [None, -1, 10_001])
def test_a_weight_lies_between_nothing_and_all(weight: int | None) -> None:
    """Neither is a missing one guessed."""
    with pytest.raises(Refused, match="between 0% and 100%"):
        act(running(STEPS), STEPS, Command("set-weight", "ada", "because", weight=weight), now=50.0)


def test_a_metric_is_dismissed_once() -> None:
    """By its name in the guardrails."""
    state = done(running(STEPS), "dismiss", metric="cost")
    assert (state.dismissed, state.segment) == (("cost",), 1)
    with pytest.raises(Refused, match="cost is dismissed already"):
        act(state, STEPS, Command("dismiss", "ada", "because", metric="cost"), now=60.0)
    with pytest.raises(Refused, match="unknown metric 'speed'; known: error_rate"):
        act(state, STEPS, Command("dismiss", "ada", "because", metric="speed"), now=60.0)


def test_retry_begins_from_the_first_step_and_forgives_this_canary_alone() -> None:
    """With fresh tallies, evidence and thresholds."""
    out = replace(rolled_back(), segment=4, banked={"x": 9.0}, frozen={"cost": 1.0}, dismissed=("cost",))
    state = done(replace(out, rolled_back={**out.rolled_back, "digest-3": "errors"}), "retry")
    assert (state.phase, state.step, state.weight, state.rolled_back) == ("running", 1, 500, {"digest-3": "errors"})
    assert (state.rollout, state.evidence, state.segment, state.offset) == (3, 3, 1, 0)
    assert (state.banked, state.frozen, state.dismissed) == ({}, {}, ())


@pytest.mark.parametrize(
    ("state", "verb", "why"),
    [
        (running(STEPS), "resume", "the rollout is running; this works while it is paused"),
        (running(STEPS), "retry", "this works while it is rolled_back"),
        (rolled_back(), "pause", "the rollout is rolled back; this works while it is running"),
        (completed(), "promote", "the rollout is completed"),
        (running(STEPS), "smile", f"unknown verb 'smile'; known: {', '.join(VERBS)}"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(state: State, verb: str, why: str) -> None:
    """The message says where the rollout stands."""
    with pytest.raises(Refused) as refused:
        act(state, STEPS, Command(verb, "ada", "because"), now=50.0)
    assert why.removeprefix("this works while it is ") in str(refused.value)


@pytest.mark.parametrize("intent", [Intent(V1, None), Intent(V1, V3, STEPS.steps)])
def test_there_is_nothing_to_do_about_what_the_configuration_no_longer_names(intent: Intent) -> None:
    """The record is about to follow the configuration."""
    with pytest.raises(Refused, match="no rollout of the configured canary"):
        act(running(STEPS), intent, Command("pause", "ada", "because"), now=50.0)


def spent(state: State) -> State | None:
    """The record after the budget of the canary on trial was used up."""
    decision = pause_spent(state, STEPS, "the budget is used up", {"used_usd": 50.0}, now=40.0)
    assert decision is None or (decision.evidence, decision.expected_epoch) == ({"used_usd": 50.0}, state.epoch)
    return None if decision is None else decision.state


def test_a_spent_budget_pauses_at_weight_0() -> None:
    """Nobody gets the canary any more, whatever the files say; the record says why, and nothing is decided twice."""
    paused = spent(running(STEPS))
    assert paused is not None
    assert (paused.phase, paused.weight, paused.pinned, paused.spent, paused.action) == (
        "paused",
        0,
        True,
        True,
        "pause",
    )
    assert reconcile(paused, STEPS, 60.0) is None and decide(paused, STEPS, findings(GOOD), 60.0) is None
    assert spent(paused) is None and spent(rolled_back()) is None and spent(running(replace(STEPS, canary=V3))) is None


def test_resume_gives_a_spent_canary_its_step_back() -> None:
    """With new evidence; so does unpin, without ending the pause, and another weight is a person's own."""
    paused = spent(running(STEPS))
    assert paused is not None
    resumed = done(paused, "resume")
    assert (resumed.phase, resumed.weight, resumed.pinned, resumed.spent) == ("running", 500, False, False)
    assert resumed.evidence == resumed.epoch and resumed.step == 1
    unpinned, light = done(paused, "unpin"), done(paused, "set-weight", weight=100)
    assert (unpinned.phase, unpinned.weight, unpinned.spent) == ("paused", 500, False)
    assert (light.weight, light.pinned, light.spent) == (100, True, False)
    assert done(paused, "promote").spent is False
    assert done(replace(paused, step=0), "resume").weight == 0
