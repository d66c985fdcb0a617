"""What people command: each verb, its refusal in words, and who is faster."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from gateway.errors import EpochConflict, NotFound
from gateway.rollout.commands import NothingToDo
from gateway.store import Committed
from policies.guardrails.grammar import DEFAULT_GUARDRAILS
from policies.rollout.state import State
from policies.rollout.verbs import VERBS
from tests.support.faulty_store import Operation, answer
from tests.support.replicas import Replica, replicas
from tests.support.trials import STEPS, agent_named, bring_in, command, healthy


@pytest_asyncio.fixture
async def replica(redis_url: str, agent: str) -> AsyncIterator[Replica]:
    """One whose agent stands on the first of three steps."""
    async with replicas(redis_url, 1) as (replica,):
        await replica.configure(agent_named(agent, steps=(STEPS[1], *STEPS[1:])))
        yield replica


async def act(replica: Replica, agent: str, verb: str, **more: Any) -> State:
    return await replica.commands.act(agent, replica.state(agent).epoch, command(verb, **more))


@pytest.mark.parametrize(
    "before, verb, more, expected",
    [
        ((), "pause", {}, {"phase": "paused", "weight": 2500}),
        (("pause",), "resume", {}, {"phase": "running"}),
        ((), "promote", {}, {"step": 2, "weight": 2500, "action": "promote"}),
        (("promote",), "promote", {}, {"step": 3, "weight": 9800}),
        (("promote", "promote"), "promote", {}, {"phase": "completed", "weight": 10_000}),
        ((), "promote", {"to_end": True}, {"phase": "completed", "weight": 10_000}),
        ((), "abort", {}, {"phase": "rolled_back", "weight": 0}),
        ((), "approve", {}, {"approved": True}),
        ((), "pin", {}, {"pinned": True}),
        (("pin",), "unpin", {}, {"pinned": False}),
        ((), "set-weight", {"weight": 123}, {"weight": 123, "pinned": True}),
        ((), "dismiss", {"metric": "cost"}, {"dismissed": ("cost",)}),
        (("abort",), "retry", {}, {"phase": "running", "step": 1, "weight": 2500, "rolled_back": {}}),
    ],
)
async def test_every_verb(
    replica: Replica, agent: str, before: tuple[str, ...], verb: str, more: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Is done, seen by this replica at once, and on record with the name and the reason."""
    for each in before:
        await act(replica, agent, each)
    epoch = replica.state(agent).epoch
    state = await act(replica, agent, verb, **more)
    assert {name: getattr(state, name) for name in expected} == expected
    assert replica.state(agent) == state and state.epoch == epoch + 1
    (event, *_) = await replica.store.audit(agent, 1)
    assert event["actor"] == "kim" and "because" in event["reason"]
    assert (event["epoch_before"], event["epoch_after"]) == (epoch, epoch + 1)


@pytest.mark.parametrize(
    "before, verb, more",
    [
        ((), "resume", {}),
        (("pause",), "pause", {}),
        ((), "unpin", {}),
        ((), "retry", {}),
        (("approve",), "approve", {}),
        ((), "set-weight", {"weight": 10_001}),
        ((), "set-weight", {}),
        ((), "dismiss", {"metric": "taste"}),
        (("abort",), "abort", {}),
        (("abort",), "promote", {}),
        (("abort",), "pin", {}),
        ((), "detonate", {}),
    ],
)
async def test_what_makes_no_sense_is_refused(
    replica: Replica, agent: str, before: tuple[str, ...], verb: str, more: dict[str, Any]
) -> None:
    """409 in words, under the agent's name; nothing is put on record."""
    for each in before:
        await act(replica, agent, each)
    record = replica.state(agent)
    with pytest.raises(NothingToDo, match=agent) as caught:
        await act(replica, agent, verb, **more)
    assert caught.value.status == 409 and (await replica.store.read(agent))[0] == record


async def test_every_verb_is_tested() -> None:
    """One that is added later, too."""
    (parameters,) = (mark.args[1] for mark in test_every_verb.pytestmark)
    assert {verb for _, verb, _, _ in parameters} == set(VERBS)


async def test_without_a_rollout_there_is_nothing_to_act_on(replica: Replica, agent: str) -> None:
    """The configuration names no canary; or another one than the record, which it will follow soon."""
    replica.install(agent_named(agent, "v3"))
    with pytest.raises(NothingToDo, match="no rollout of the configured canary"):
        await act(replica, agent, "abort")
    await replica.configure(agent_named(agent, None))
    with pytest.raises(NothingToDo, match="no rollout"):
        await act(replica, agent, "pause")


async def test_who_was_slower_is_told(replica: Replica, agent: str) -> None:
    """412, with the epoch that the record is at and why; also where both were as fast."""
    with pytest.raises(EpochConflict, match="at epoch 1, not 7") as caught:
        await replica.commands.act(agent, 7, command("pause"))
    assert caught.value.status == 412
    commands = (replica.commands.act(agent, 1, command(verb)) for verb in ("pause", "abort", "pin", "promote"))
    results = await asyncio.gather(*commands, return_exceptions=True)
    assert sorted(isinstance(result, EpochConflict) for result in results) == [False, True, True, True]
    assert len(await replica.store.audit(agent, 10)) == 2


async def test_frozen_thresholds_are_no_news(replica: Replica, agent: str) -> None:
    """They were taken while the person was typing: all that the person saw still holds, so the command does, too."""
    seen = replica.state(agent)
    await bring_in(replica, agent, healthy(seen))
    await replica.controller.poll()
    assert replica.state(agent).action == "freeze" and replica.state(agent).epoch == seen.epoch + 1
    state = await replica.commands.act(agent, seen.epoch, command("pause"))
    assert state.phase == "paused" and state.epoch == seen.epoch + 2 and state.frozen
    with pytest.raises(EpochConflict, match="at epoch 3, not 1: because"):
        await replica.commands.act(agent, seen.epoch, command("abort"))


async def test_thresholds_frozen_in_the_last_moment_are_no_news(replica: Replica, agent: str) -> None:
    """Between reading the record and committing: the command is tried once more, and only then."""
    seen = replica.state(agent)
    await bring_in(replica, agent, healthy(seen))

    async def freeze_first(commit: Operation) -> Any:
        await replica.controller.poll()
        return await commit()

    replica.store.script("commit", freeze_first)
    assert (await replica.commands.act(agent, seen.epoch, command("pin"))).pinned
    assert [event["action"] for event in await replica.store.audit(agent, 10)] == ["pin", "freeze", "start"]


async def test_nobody_tries_for_ever(replica: Replica, agent: str) -> None:
    """Somebody else wins every time although the record stays: the person is told."""
    lost = answer(Committed(won=False, state=None))
    with pytest.raises(EpochConflict, match="another change came first"), replica.store.faulty("commit", fault=lost):
        await act(replica, agent, "pause")


async def test_an_agent_without_a_record(replica: Replica, agent: str) -> None:
    """404, configured or not."""
    for name in (f"{agent}-unknown", "nobody"):
        with pytest.raises(NotFound, match="no record"):
            await replica.commands.act(name, 0, command("pause"))


async def test_what_a_step_has_shown_is_kept_when_a_person_ends_it(replica: Replica, agent: str) -> None:
    """Or each promotion would forget what the canary is suspected of; a pause ends nothing."""
    await bring_in(replica, agent, healthy(replica.state(agent)))
    assert (await act(replica, agent, "pause")).banked == {}
    promoted = await act(replica, agent, "promote")
    assert promoted.banked.keys() == set(DEFAULT_GUARDRAILS[:-1]) and promoted.offset == 1
    assert promoted.frozen["latency:0.9"] == pytest.approx(0.1, rel=0.03)


async def test_a_dismissed_metric_rolls_nothing_back(replica: Replica, agent: str) -> None:
    """A person has looked at the errors and says that they are none."""
    await act(replica, agent, "dismiss", metric="error_rate")
    for unit in range(20):
        replica.fail(agent, str(unit))
    await replica.controller.finish()
    assert replica.state(agent).phase == "running"
