"""A store whose clock is set: no step lasts longer or shorter for it."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.rollout.steady_time import SteadyTime
from gateway.rollout.table import Entry
from gateway.store.seam import Arm, Batch
from policies.rollout.rollout import reconcile
from policies.rollout.state import State
from routing.agents import RolloutStep
from tests.support.faulty_store import Fault, Operation, answer
from tests.support.replicas import replicas
from tests.support.trials import age, agent_named, bring_in

HOUR = 3600.0
STEPS = (RolloutStep(5_000, hold=1800.0, min_requests=10), RolloutStep(10_000, hold=1800.0))


class Clock:
    """A clock of durations that only a test moves."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def begun() -> State:
    """The record of a trial whose first step began at 1000."""
    decision = reconcile(None, Entry.of(agent_named("a", steps=STEPS), None).intent, 1000.0)
    assert decision
    return decision.state


@pytest.mark.parametrize("step", [HOUR, -HOUR, 30.0])
def test_the_beginning_moves_with_a_clock_that_was_set(step: float) -> None:
    """A minute passed, whatever the store's clock says."""
    clock, state = Clock(), begun()
    steady = SteadyTime(clock)
    steady.see("a", state, 1000.0)
    clock.now += 60
    assert steady.settle("a", state, 1060.0 + step).began_at == pytest.approx(1000.0 + step)


def test_a_clock_that_is_slewed_or_late_is_believed() -> None:
    """Within ten seconds and a thousandth: the record is what it was."""
    clock, state = Clock(), begun()
    steady = SteadyTime(clock)
    steady.see("a", state, 1000.0)
    clock.now += 10_000
    assert steady.settle("a", state, 11_000.0 + 19.0) is state


def test_what_was_not_seen_is_as_the_store_says() -> None:
    """An agent, or a step, that this replica has not seen before; a step that was seen again keeps its first time."""
    clock, state = Clock(), begun()
    steady = SteadyTime(clock)
    assert steady.settle("a", state, 9000.0) is state
    steady.see("a", state, 1000.0)
    clock.now += 60
    steady.see("a", state, 1060.0 + HOUR)
    assert steady.settle("a", state, 1060.0 + HOUR).began_at == pytest.approx(1000.0 + HOUR)
    later = replace(state, evidence=2, began_at=2000.0)
    assert steady.settle("a", later, 9000.0) is later


def set_by(seconds: float) -> Fault:
    """The store's clock was set by that."""

    async def fault(operation: Operation) -> Any:
        snapshot = await operation()
        return replace(snapshot, now=snapshot.now + seconds)

    return fault


@pytest.mark.parametrize("step", [HOUR, -HOUR])
async def test_no_hold_ends_by_a_clock_that_was_set(redis_url: str, agent: str, step: float) -> None:
    """Neither at the replica that decides nor at another that takes its place; in its time the step ends."""
    async with replicas(redis_url, 2) as (one, other):
        for replica in (one, other):
            await replica.configure(agent_named(agent, steps=STEPS))
        state = one.state(agent)
        units = {f"unit {number}" for number in range(40)}
        counts = Batch(state.rollout, state.evidence, stable=Arm(40), canary=Arm(40, units=units))
        await bring_in(one, agent, counts)
        for replica in (one, other):
            with (
                replica.store.faulty("snapshot", fault=set_by(step)),
                replica.store.faulty("lease", fault=answer(True)),
            ):
                await replica.controller.poll()
                await replica.controller.poll()
        assert (one.state(agent).action, one.state(agent).step) == ("start", 1)
        await age(one, agent, 1800.0)
        await one.controller.poll()
        assert (one.state(agent).action, one.state(agent).step) == ("advance", 2)
