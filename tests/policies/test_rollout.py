"""The journey of a canary: every way its record may change, and that a rollback lasts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.guardrails import DEFAULT_GUARDRAILS, Evidence, assess, parse
from policies.rollout import Decision, Intent, Phase, State, VersionRef, decide, percent, reconcile, restore, retry

V1, V2, V3 = (VersionRef(f"v{number}", f"digest-{number}") for number in (1, 2, 3))
TRIAL = Intent(V1, V2, 500)
BAD = Evidence(0.05, 20, 10, 10, 380, 4, 4)
FINDINGS = assess(map(parse, DEFAULT_GUARDRAILS), BAD)


def after(decision: Decision | None) -> State:
    """The record once the decision is committed."""
    assert decision is not None
    return decision.state


def running() -> State:
    """v2 on trial at 5 % over v1, at epoch 1."""
    return after(reconcile(None, TRIAL, now=10.0))


def rolled_back() -> State:
    """The same at epoch 2, taken out."""
    return after(decide(running(), FINDINGS, BAD, now=20.0))


def test_a_first_configuration_starts_the_trial() -> None:
    """Expected at epoch 0, where there is no record yet."""
    assert reconcile(None, TRIAL, now=10.0) == Decision(
        0,
        State(
            epoch=1, phase="running", step=1, weight=500, stable=V1, canary=V2, rollout=1, evidence=1,
            reason="v2 on trial at 5% over v1", actor="configuration", action="start", changed_at=10.0, rolled_back={},
        ),
        {},
    )  # fmt: skip


def test_without_a_canary_nothing_is_on_trial() -> None:
    """A record all the same, which says who serves."""
    state = after(reconcile(None, Intent(V1, None, 0), now=0.0))
    assert (state.phase, state.step, state.weight, state.action) == (None, 0, 0, "start")
    assert state.reason == "no canary; v1 serves everything"


def test_an_unchanged_configuration_changes_nothing() -> None:
    """Any replica may reconcile as often as it likes."""
    assert reconcile(running(), TRIAL, now=20.0) is None
    assert reconcile(rolled_back(), TRIAL, now=30.0) is None


def test_a_renamed_version_is_the_same_version() -> None:
    """The digest is what is on trial."""
    assert reconcile(running(), Intent(V1, replace(V2, version="new"), 500), now=20.0) is None


def test_removing_the_canary_ends_the_trial() -> None:
    """Everything to stable, by the configuration."""
    decision = reconcile(running(), Intent(V1, None, 0), now=20.0)
    state = after(decision)
    assert (state.phase, state.weight, state.action, state.canary) == (None, 0, "end", None)
    assert (decision and decision.expected_epoch, state.epoch) == (1, 2)


@pytest.mark.parametrize("intent", [Intent(V1, V3, 1000), Intent(V3, V2, 1000)])
def test_another_canary_or_stable_is_a_new_rollout(intent: Intent) -> None:
    """With fresh tallies and evidence, whatever the old one had gathered."""
    state = after(reconcile(running(), intent, now=20.0))
    assert (state.phase, state.step, state.weight, state.action) == ("running", 1, 1000, "start")
    assert (state.epoch, state.rollout, state.evidence) == (2, 2, 2)


def test_another_weight_is_the_same_rollout_with_fresh_evidence() -> None:
    """The tallies go on; the evidence was about another share."""
    state = after(reconcile(running(), replace(TRIAL, weight=2500), now=20.0))
    assert (state.weight, state.action, state.actor) == (2500, "set_weight", "configuration")
    assert (state.epoch, state.rollout, state.evidence, state.changed_at) == (2, 1, 2, 20.0)
    assert state.reason == "weight 5% -> 25% in the configuration"


@pytest.mark.parametrize("phase", ["rolled_back", "paused", "pending", "completed"])
def test_another_weight_moves_only_a_running_canary(phase: Phase | None) -> None:
    """Editing a number is not the word that brings a canary back."""
    state = replace(rolled_back(), phase=phase)
    assert reconcile(state, replace(TRIAL, weight=5000), now=30.0) is None


def test_a_proven_breach_rolls_back() -> None:
    """Weight 0, by the controller, from the epoch it looked at, with all that it was decided on."""
    decision = decide(running(), FINDINGS, BAD, now=20.0)
    state = after(decision)
    assert (state.phase, state.weight, state.action, state.actor) == ("rolled_back", 0, "roll_back", "controller")
    assert (decision and decision.expected_epoch, state.epoch, state.changed_at) == (1, 2, 20.0)
    assert state.rolled_back == {"digest-2": state.reason}


def test_a_rollback_says_why() -> None:
    """One sentence for the person who reads it at night, and the numbers to compute it again."""
    decision = decide(running(), FINDINGS, BAD, now=20.0)
    assert decision is not None
    assert decision.state.reason.startswith(
        "error_rate <= stable * 1.25 is breached: canary 10 errors in 20 requests, stable 4 in 380; E = "
    )
    assert decision.state.reason.endswith(" >= 100")
    evidence = dict(decision.evidence)
    assert (evidence.pop("guardrail"), evidence.pop("threshold")) == ("error_rate <= stable * 1.25", 100)
    assert evidence.pop("e_value") == FINDINGS[0].e_value
    assert Evidence(**evidence) == BAD


def test_without_proof_nothing_happens() -> None:
    """No findings, or none that fails."""
    begun = Evidence(0.05)
    assert decide(running(), assess(map(parse, DEFAULT_GUARDRAILS), begun), begun, now=20.0) is None
    assert decide(running(), [], BAD, now=20.0) is None


@pytest.mark.parametrize("phase", ["rolled_back", "paused", "pending", "completed", None])
def test_only_a_running_canary_is_rolled_back(phase: Phase | None) -> None:
    """Late failures of calls in flight decide nothing a second time."""
    assert decide(replace(running(), phase=phase), FINDINGS, BAD, now=20.0) is None


def test_a_rollback_lasts_over_removal_and_return_of_the_canary() -> None:
    """Taking the lines out and putting them back is not the word either; the reason names the way out."""
    removed = after(reconcile(rolled_back(), Intent(V1, None, 0), now=30.0))
    back = after(reconcile(removed, TRIAL, now=40.0))
    assert (back.phase, back.weight, back.step) == ("rolled_back", 0, 0)
    assert back.reason.endswith("; change it, or say retry")
    assert rolled_back().reason in back.reason


def test_a_rollback_lasts_over_another_stable() -> None:
    """The canary was found bad; a new control does not make it good. The reason does not grow either."""
    state = rolled_back()
    for number in range(3, 9):
        state = after(reconcile(state, Intent(VersionRef("v1", f"digest-{number}"), V2, 500), now=30.0))
        assert (state.phase, state.weight) == ("rolled_back", 0)
    assert state.reason.count("rolled back before") == 1


def test_a_changed_canary_gets_its_trial() -> None:
    """An edited prompt under the same name is a new version; the old one stays out."""
    edited = after(reconcile(rolled_back(), Intent(V1, VersionRef("v2", "digest-9"), 500), now=30.0))
    assert (edited.phase, edited.weight) == ("running", 500)
    assert set(edited.rolled_back) == {"digest-2"}


def test_a_person_may_say_retry() -> None:
    """Fresh tallies and evidence, at the weight that the configuration asks for by now, and forgiven."""
    decision = retry(rolled_back(), replace(TRIAL, weight=1000), "ada", "provider was down", now=30.0)
    state = after(decision)
    assert (state.phase, state.step, state.weight, state.action) == ("running", 1, 1000, "retry")
    assert (state.actor, state.reason, state.rolled_back) == ("ada", "provider was down", {})
    assert (decision and decision.expected_epoch, state.epoch, state.rollout, state.evidence) == (2, 3, 3, 3)


def test_a_retry_forgives_this_canary_alone() -> None:
    """Others that were taken out stay out."""
    state = replace(rolled_back(), rolled_back={"digest-2": "errors", "digest-3": "errors"})
    assert set(after(retry(state, TRIAL, "ada", "again", now=30.0)).rolled_back) == {"digest-3"}


@pytest.mark.parametrize("intent", [Intent(V1, V3, 500), Intent(V3, V2, 500), Intent(V1, None, 0)])
def test_there_is_no_retry_of_what_the_configuration_no_longer_names(intent: Intent) -> None:
    """It will start by itself when it is named again and was not rolled back."""
    assert retry(rolled_back(), intent, "ada", "again", now=30.0) is None


def test_there_is_no_retry_of_what_was_not_rolled_back() -> None:
    """A running canary keeps its evidence."""
    assert retry(running(), TRIAL, "ada", "again", now=30.0) is None
    assert retry(after(reconcile(None, Intent(V1, None, 0), 0.0)), TRIAL, "ada", "again", now=30.0) is None


def test_a_lost_record_is_put_back_higher() -> None:
    """Towards stable: still rolled back, and the audit trail says what happened."""
    seen = rolled_back()
    decision = restore(seen, None, now=30.0)
    assert (decision.expected_epoch, decision.state.epoch) == (0, 3)
    assert (decision.state.phase, decision.state.weight, decision.state.rolled_back) == (
        "rolled_back", 0, seen.rolled_back,
    )  # fmt: skip
    assert decision.state.reason == f"the store lost the record; {seen.reason}"
    assert decision.evidence == {"lost_epoch": 2}


def test_an_older_record_is_replaced() -> None:
    """A failover brought back the time before the rollback, from where the decision is committed."""
    decision = restore(rolled_back(), running(), now=30.0)
    assert (decision.expected_epoch, decision.state.epoch, decision.state.phase) == (1, 3, "rolled_back")
    assert decision.state.reason.startswith("the store came back at the older epoch 1; ")


def test_a_restored_trial_begins_anew() -> None:
    """First step, no evidence and no tallies: those were lost too."""
    state = restore(replace(running(), step=4), None, now=30.0).state
    assert (state.phase, state.step, state.rollout, state.evidence, state.action) == ("running", 1, 2, 2, "restore")


def test_a_replica_that_has_seen_more_never_reuses_an_epoch() -> None:
    """The record is gone, and what was known of it was higher."""
    decision = reconcile(None, TRIAL, now=0.0, highest_epoch=41)
    assert (decision and decision.expected_epoch, after(decision).epoch) == (0, 42)


INTENTS = st.builds(
    lambda stable, canary, weight: Intent(stable, canary, weight if canary else 0),
    st.sampled_from([V1, V3]), st.sampled_from([V2, None, VersionRef("v2", "digest-9")]), st.integers(0, 10_000),
)  # fmt: skip
VERBS = st.sampled_from(["reconcile", "decide", "retry", "restore", "lose"])


def step(state: State, verb: str, intent: Intent) -> Decision | None:
    """What that verb makes of the record."""
    if verb == "reconcile":
        return reconcile(state, intent, now=1.0)
    if verb == "decide":
        return decide(state, FINDINGS, BAD, now=1.0)
    if verb == "retry":
        return retry(state, intent, "ada", "again", now=1.0)
    return restore(state, None if verb == "lose" else replace(state, epoch=state.epoch - 1), now=1.0)


@given(st.lists(st.tuples(VERBS, INTENTS), max_size=20))
def test_whatever_happens_epochs_grow_and_a_rollback_lasts(story: list[tuple[str, Intent]]) -> None:
    """Every decision names the epoch it replaces, bumps it, and gives a rolled-back digest no traffic."""
    state = running()
    for verb, intent in story:
        decision = step(state, verb, intent)
        if decision is None:
            continue
        expected = {"lose": 0, "restore": state.epoch - 1}.get(verb, state.epoch)
        assert (decision.expected_epoch, decision.state.epoch) == (expected, state.epoch + 1)
        assert verb == "retry" or state.rolled_back.keys() <= decision.state.rolled_back.keys()
        state = decision.state
        assert state.rollout <= state.evidence <= state.epoch
        assert state.canary is None or state.canary.digest not in state.rolled_back or state.weight == 0


@pytest.mark.parametrize(("points", "text"), [(0, "0%"), (1, "0.01%"), (500, "5%"), (1250, "12.5%"), (10_000, "100%")])
def test_basis_points_are_written_as_percent(points: int, text: str) -> None:
    """Without zeros that say nothing."""
    assert percent(points) == text
