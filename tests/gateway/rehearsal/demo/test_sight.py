"""What is read from `/status` and from the replicas' logs."""

from dataclasses import replace

from gateway.rehearsal.demo.sight import Sight, applied_at, read
from gateway.rehearsal.demo.story import first_failure
from tests.gateway.rehearsal.demo.samples import call
from tests.support.views import agent_view, status_view


def view(phase: str | None = "running", weight: float = 0.05) -> Sight:
    agent = agent_view(phase=phase, weight=weight, changed_at=phase and "2026-01-01T00:00:00.500Z")
    return read(status_view(agent if phase else replace(agent, last_decision=None), "customer-support"))


def test_a_running_trial() -> None:
    """The split is on when the record runs and this replica gives the canary its share."""
    assert view().on_trial
    assert not view(weight=0.0).on_trial
    assert view().changed_at == 1767225600.5


def test_a_rollback() -> None:
    """It has reached a replica when the record says so and nothing goes to the canary any more."""
    assert view("rolled_back", 0.0).rolled_back
    assert not view("rolled_back", 0.05).rolled_back


def test_a_closed_gate() -> None:
    """The canary waits, and is refused once its evaluation says so."""
    waiting = view("pending", 0.0)
    assert waiting.is_gated and not waiting.is_refused
    assert replace(waiting, reason="v3 has not passed its evaluation: Failed: worse.").is_refused
    assert not view("pending", 0.05).is_gated


def test_before_any_trial() -> None:
    """Without a record nobody has decided anything."""
    sight = view(None, 0.0)
    assert (sight.actor, sight.changed_at) == ("", 0.0)


def test_the_moment_of_a_turn_stands_in_the_log() -> None:
    """The line of that epoch is found among calls and other turns; a replica that has not turned has none."""
    log = [
        '{"id":"c","event":"call","at":1.0}',
        '{"epoch":2,"event":"record_applied","at":2.0}',
        '{"epoch":3,"event":"record_applied","at":3.5}',
    ]
    assert applied_at(log, 3) == 3.5
    assert applied_at(log, 4) is None


def test_the_first_failure_is_the_canarys() -> None:
    """Stable's failures, and the canary's good calls, are none."""
    calls = [call("v1", 1.0, attempts=2), call("v2", 2.0), call("v2", 4.0, attempts=3), call("v2", 3.0, attempts=2)]
    assert first_failure(calls) == 3.0
    assert first_failure([]) is None
