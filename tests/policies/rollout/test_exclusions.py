"""What becomes of an exclusion: acknowledged by a promotion, kept through completion, ended by the next edit."""

from dataclasses import replace

import pytest

from policies.rollout.exclusions import excluded_in_words, way_on
from policies.rollout.rollout import decide, reconcile, restore, waits_for
from policies.rollout.state import Intent, State
from policies.rollout.verbs import Command, act
from tests.policies.evidences import BAD, GOOD
from tests.policies.rollout.records import STEPS, TRIAL, V1, V2, V3, after, completed, findings, running

EDITED = Intent(V2, None)


def done(state: State, verb: str, *, to_end: bool = False) -> State:
    return act(state, STEPS, Command(verb, "kim", "because", to_end=to_end), 20.0).state


def promoted() -> State:
    """In the second step, without one caller."""
    return replace(done(running(STEPS, excluded=("c7",)), "promote"), approved=True)


def test_promote_goes_on_without_who_is_excluded() -> None:
    """The exclusion holds no later step; who is excluded stays so through completion."""
    third = after(decide(promoted(), STEPS, findings(GOOD), now=700.0))
    last = after(decide(third, STEPS, findings(GOOD), now=1400.0))
    assert (third.action, third.step, last.action, last.excluded) == ("advance", 3, "complete", ("c7",))
    assert last.reason == (
        "the last step ended without a breach; the canary is kept from one caller (c7), whose calls alone show a "
        "breach; the edit that makes v2 stable gives it to them, too"
    )


def test_who_is_excluded_later_holds_the_step_again() -> None:
    """A person has promoted without the first one alone."""
    state = replace(promoted(), excluded=("c7", "u3"))
    assert decide(state, STEPS, findings(GOOD), now=700.0) is None
    (why,) = waits_for(state, STEPS, findings(GOOD), 700.0)
    assert why.startswith("the canary is kept from one user (u3), whose") and "promote it" in why
    assert done(state, "promote").acknowledged == ("c7", "u3")


def test_what_ends_an_exclusion_ends_its_acknowledgement() -> None:
    """Who is excluded anew afterwards holds the step again."""
    after_rollback = after(decide(promoted(), STEPS, findings(BAD), now=30.0))
    ended = [done(promoted(), "resume"), done(promoted(), "abort"), restore(promoted(), None, 30.0).state]
    for state in (*ended, after_rollback, done(after_rollback, "retry")):
        assert (state.excluded, state.acknowledged) == ((), ())


def test_a_pause_keeps_who_is_excluded_by_a_persons_word() -> None:
    """`resume` ends the pause and what holds the step beside it; once more, it ends what a promotion acknowledged."""
    state = replace(promoted(), phase="paused")
    resumed = done(state, "resume")
    assert (resumed.phase, resumed.excluded, resumed.acknowledged, resumed.evidence) == (
        "running", ("c7",), ("c7",), state.evidence,
    )  # fmt: skip
    assert resumed.reason == "because; the canary is kept from one caller (c7), whose calls alone show a breach"
    assert done(resumed, "resume").excluded == ()
    both = done(replace(state, excluded=("c7", "u3")), "resume")
    assert (both.phase, both.excluded, both.acknowledged) == ("running", ("c7",), ("c7",))
    assert both.reason.startswith("because; the canary is given back to one user (u3); the canary is kept from one c")


def test_every_decision_says_what_becomes_of_an_exclusion() -> None:
    """In the audit, the notice and the status: who is still excluded, gets the canary again, or whose has ended."""
    excluding, kept = running(STEPS, excluded=("c7",)), "; the canary is kept from one caller (c7), whose calls alone"
    ended, back = (
        "; the exclusion of one caller (c7) ended with the rollout",
        "; the canary is given back to one caller",
    )
    assert f"because: 5% -> 25%{kept}" in done(excluding, "promote").reason
    assert (
        f"step 2 ended without a breach: 25% -> 98%{kept}"
        in after(decide(promoted(), STEPS, findings(GOOD), now=700.0)).reason
    )
    aborted, rolled_back = done(excluding, "abort"), after(decide(excluding, STEPS, findings(BAD), now=30.0))
    assert aborted.reason == f"because{ended}" and aborted.rolled_back == {"digest-2": "kim: because"}
    assert rolled_back.reason.endswith(ended) and ended not in rolled_back.rolled_back["digest-2"]
    assert back in restore(excluding, None, 30.0).state.reason


@pytest.mark.parametrize("verb", ["pause", "pin", "set-weight"])
def test_other_commands_leave_an_exclusion_as_it_is(verb: str) -> None:
    """Also where the step begins anew, with new evidence."""
    state = replace(promoted(), excluded=("c7", "u3"))
    changed = act(state, STEPS, Command(verb, "kim", "because", weight=900), 20.0).state
    assert (changed.excluded, changed.acknowledged) == (("c7", "u3"), ("c7",))


def test_a_person_who_completes_is_told_what_the_next_edit_does() -> None:
    """The reason goes to the notice, the status and the page."""
    state = done(running(STEPS, excluded=("c7",)), "promote", to_end=True)
    assert state.reason.startswith("because; the canary is kept from one caller (c7)")
    assert way_on(state).endswith("; the edit that makes v2 stable gives it to them, too")
    assert excluded_in_words(completed()) is None


def test_the_edit_after_completion_ends_the_exclusion() -> None:
    """By an event in the audit trail; then nothing is left to be done."""
    state = after(reconcile(replace(completed(), excluded=("c7", "u3"), acknowledged=("c7",)), EDITED, now=800.0))
    assert (state.action, state.actor, state.phase) == ("end", "configuration", "completed")
    assert (state.excluded, state.acknowledged) == ((), ())
    assert state.reason == (
        "v2 is stable in the configuration, for everybody: the exclusion of one caller (c7) and one user (u3) ended "
        "with the rollout"
    )
    assert reconcile(state, EDITED, now=900.0) is None
    assert reconcile(replace(completed(), excluded=("c7",)), STEPS, now=800.0) is None


@pytest.mark.parametrize("intent", [EDITED, Intent(V1, None), Intent(V1, V3, TRIAL.steps), Intent(V2, V3, TRIAL.steps)])
def test_another_edit_ends_it_as_well(intent: Intent) -> None:
    """While the rollout is on, too."""
    for state in (running(excluded=("c7",)), replace(completed(), excluded=("c7",))):
        edited = after(reconcile(state, intent, now=800.0))
        assert edited.excluded == () and edited.reason.endswith(
            "the exclusion of one caller (c7) ended with the rollout"
        )


def test_an_exclusion_of_a_running_trial_speaks_of_no_edit() -> None:
    """Nothing is to be made stable yet."""
    words = excluded_in_words(running(STEPS, excluded=("c7",)))
    assert words == "the canary is kept from one caller (c7), whose calls alone show a breach"
