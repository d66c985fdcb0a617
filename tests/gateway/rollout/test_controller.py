"""The controller over a store that fails agent by agent, and around everything that may interrupt it."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from time import monotonic, time
from typing import Any

import pytest

from gateway import logs
from gateway.rehearsal.standin import ModelBehaviour
from gateway.replica.replica import Seams
from gateway.rollout.controller import Controller
from gateway.rollout.history import lacks
from gateway.rollout.recorder import Clock, Recorder
from gateway.rollout.table import Table
from gateway.store import Committed, connect
from gateway.store.connect import MAX_IN_FLIGHT
from gateway.timings import USUAL, Timings
from policies.rollout.rollout import reconcile
from policies.rollout.state import State
from tests.support.crowd import crowd
from tests.support.decisions import INTENT
from tests.support.faulty_store import FaultyStore, Operation, answer, deny, lose_reply, stall
from tests.support.replicas import Replica, replicas
from tests.support.running import Running, provider, running, trial, write
from tests.support.trials import agent_named
from tests.support.waiting import SOON, within


@pytest.fixture
async def replica(redis_url: str) -> AsyncIterator[Replica]:
    async with replicas(redis_url, 1) as (replica,):
        yield replica


async def test_one_agents_record_holds_up_no_other(replica: Replica, agent: str) -> None:
    """Its node is dead, or its record cannot be read: the others' trials begin, count and are decided."""
    with replica.store.faulty("read", agent=f"{agent}-dead"):
        await replica.configure(agent_named(f"{agent}-dead"), agent_named(agent))
        assert replica.state(agent).phase == "running" and replica.table.seen(f"{agent}-dead") is None
        assert not replica.controller.store_ok
        for unit in "abc":
            replica.fail(agent, unit)
        await replica.controller.finish()
    assert replica.state(agent).phase == "rolled_back"


async def test_an_agent_that_was_away_catches_up(replica: Replica, agent: str) -> None:
    """With the next poll, and only then all is said to be well."""
    replica.store.script("read", deny, deny, agent=agent)
    await replica.configure(agent_named(agent))
    assert not replica.controller.store_ok
    await replica.controller.poll()
    await replica.controller.poll()
    assert replica.state(agent).phase == "running" and replica.controller.store_ok


async def test_a_commit_whose_fate_is_unknown_is_read_again(replica: Replica, agent: str) -> None:
    """The store applied it and the reply was lost: the next poll turns the table, and nothing is decided twice."""
    await replica.configure(agent_named(agent))
    with replica.store.faulty("commit", fault=lose_reply):
        for unit in "abc":
            replica.fail(agent, unit)
        await replica.controller.finish()
    assert replica.state(agent).phase == "running" and not replica.controller.store_ok
    await replica.controller.poll()
    assert replica.state(agent).phase == "rolled_back"
    assert len(await replica.store.audit(agent, 10)) == 2


async def test_a_decision_that_was_not_made_is_made_with_the_next_flush(replica: Replica, agent: str) -> None:
    """The store went away between count and commit: the proof is not lost."""
    await replica.configure(agent_named(agent))
    with replica.store.faulty("commit"):
        for unit in "abc":
            replica.fail(agent, unit)
        await replica.controller.finish()
    replica.fail(agent, "d")
    await replica.controller.finish()
    assert replica.state(agent).phase == "rolled_back"


async def test_an_agent_that_left_is_still_counted(replica: Replica, agent: str) -> None:
    """Its last calls end after it was taken out of the configuration; nothing is decided over it any more."""
    await replica.configure(agent_named(agent))
    for unit in "abcd":
        replica.fail(agent, unit)
    await replica.configure()
    await replica.controller.finish()
    snapshot = await replica.store.snapshot(agent)
    assert snapshot.sides.canary.errors == 4 and snapshot.state and snapshot.state.phase == "running"
    assert replica.controller.store_ok


async def test_late_counts_of_an_old_step_decide_nothing(replica: Replica, agent: str) -> None:
    """Calls that began under another weight say nothing of the step that runs now."""
    await replica.configure(agent_named(agent))
    for unit in "abcd":
        replica.fail(agent, unit)
    await replica.configure(agent_named(agent, weight=2500))
    await replica.controller.finish()
    assert (replica.state(agent).phase, replica.state(agent).weight) == ("running", 2500)
    snapshot = await replica.store.snapshot(agent)
    assert snapshot.sides.canary.errors == 0 and snapshot.tallies["v2"].errors == 4


async def test_what_cannot_be_agreed_on_is_tried_again(replica: Replica, agent: str) -> None:
    """Somebody else wins every time: this poll gives up, the next one goes on."""
    with replica.store.faulty("commit", fault=answer(Committed(won=False, state=None))):
        await replica.configure(agent_named(agent))
    assert replica.table.seen(agent) is None and replica.controller.store_ok
    await replica.controller.poll()
    assert replica.state(agent).phase == "running"


async def test_a_bug_is_raised_when_all_the_others_are_through(replica: Replica, agent: str) -> None:
    """It is nobody's outage; whoever keeps the controller alive logs its trace."""

    async def bug(_: Operation) -> None:
        raise ZeroDivisionError

    replica.store.script("read", bug, agent=f"{agent}-bug")
    with pytest.raises(ZeroDivisionError):
        await replica.configure(agent_named(f"{agent}-bug"), agent_named(agent))
    assert replica.state(agent).phase == "running"


async def test_a_canary_failure_is_flushed_at_once(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Without waiting for the regular flush; many failures make one flush after the other, not a queue of them."""
    async with (
        provider(bad=ModelBehaviour(error_rate=1.0)) as standin,
        running(write(tmp_path, trial(agent, standin)), redis_url, seams=Seams(timings=Timings(flush=3600))) as served,
        crowd(served.url) as people,
    ):
        for _ in range(5):
            await people.call_often(agent, 10)
        await within(SOON, lambda: phase(served, agent) == "rolled_back")


def phase(served: Running, agent: str) -> str | None:
    state = served.gateway.services.table.seen(agent)
    return state.phase if state else None


async def test_a_slow_agent_slows_no_other(replica: Replica, agent: str) -> None:
    """Its flush hangs: the others' go on ten times a second, and its own do not pile up."""
    hanging = [0]

    async def hang(operation: Operation) -> None:
        hanging[0] += 1
        await stall(operation)

    replica.store.script("flush", hang, hang, agent=f"{agent}-slow")
    await replica.configure(agent_named(f"{agent}-slow"), agent_named(agent))
    working = asyncio.create_task(replica.controller.run())
    for number in range(20):
        replica.fail(f"{agent}-slow", str(number))
    await asyncio.sleep(0.15)
    for unit in "abc":
        replica.fail(agent, unit)
    await within(SOON, lambda: replica.state(agent).phase == "rolled_back")
    assert hanging == [1]
    working.cancel()


async def test_failures_by_the_hundred_are_flushed_by_the_handful(replica: Replica, agent: str) -> None:
    """An outage fails every call: each has the store told at once, and together they leave it alone. None is
    forgotten: what fails while a flush is under way goes into the next."""
    requests = list[int]()

    async def count(flush: Operation) -> Any:
        requests.append(sum(tally.requests for tally in flush.arguments[2].tallies.values()))
        return await flush()

    await replica.configure(agent_named(agent))
    working = asyncio.create_task(replica.controller.run())
    await asyncio.sleep(0)
    began = monotonic()
    with replica.store.faulty("flush", fault=count):
        for number in range(200):
            replica.fail(agent, str(number))
            await asyncio.sleep(0.001)
        await within(SOON, lambda: sum(requests) == 200)
    assert requests[0] <= 2 and len(requests) <= (monotonic() - began) / 0.02 + 1
    working.cancel()


async def test_many_agents_wait_for_their_turn_outside_the_store(replica: Replica, agent: str) -> None:
    """In its queue the last of them would run out of the time that an operation may take, and pass for lost."""
    waiting, most = [0], [0]

    async def count(read: Operation) -> Any:
        waiting[0] += 1
        most[0] = max(most[0], waiting[0])
        try:
            return await read()
        finally:
            waiting[0] -= 1

    with replica.store.faulty("read", fault=count):
        await replica.configure(*(agent_named(f"{agent}-{number}") for number in range(200)))
    assert len(list(replica.table)) == 200 and 1 < most[0] < MAX_IN_FLIGHT


async def test_work_begins_again_after_its_end(replica: Replica, agent: str) -> None:
    """Cancelled and run anew, as after a bug: nothing of the first run is in the way of the second."""
    await replica.configure(agent_named(agent))
    replica.recorder.flush_requests.ask(agent)
    for _ in range(2):
        working = asyncio.create_task(replica.controller.run())
        await asyncio.sleep(0.05)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    working = asyncio.create_task(replica.controller.run())
    for unit in "abc":
        replica.fail(agent, unit)
    await within(SOON, lambda: replica.state(agent).phase == "rolled_back")
    working.cancel()


async def test_the_last_flush_waits_for_a_store_that_comes_back(replica: Replica, agent: str) -> None:
    """A replica that is stopped just when the store restarts brings its counts in, each once."""
    await replica.configure(agent_named(agent))
    replica.fail(agent, "u")
    replica.store.script("flush", deny, lose_reply, deny, agent=agent)
    await replica.controller.finish()
    snapshot = await replica.store.snapshot(agent)
    assert snapshot.sides.canary.errors == 1


async def test_what_cannot_be_flushed_at_the_end_is_logged(agent: str) -> None:
    """By the agent's name: its counts are gone."""
    out = io.BytesIO()
    log = logs.to(out)
    store, table = FaultyStore(connect("redis://127.0.0.1:1/0"), "replica"), Table()
    recorder = Recorder(log, Clock(monotonic, time))
    timings = replace(USUAL, last_flush=0.2)
    replica = Replica(store, table, recorder, Controller(store, table, recorder, log, timings=timings))
    replica.install(agent_named(agent))
    table.turn(agent, a_state())
    replica.fail(agent, "u")
    await replica.controller.finish()
    assert b"counts_lost" in out.getvalue() and agent.encode() in out.getvalue()
    await store.aclose()


def a_state() -> State:
    decision = reconcile(None, INTENT, now=0.0)
    assert decision
    return decision.state


def test_what_a_found_record_lacks() -> None:
    """Nothing where it is the same or newer; all of it, its latest epochs, or a rollback that was seen."""
    seen = replace(a_state(), epoch=7, rolled_back={"digest-2": "why"})
    assert lacks(None, seen) and lacks(replace(seen, epoch=6), seen)
    assert not lacks(seen, seen) and not lacks(replace(seen, epoch=8, rolled_back={}), seen)
    assert lacks(replace(seen, rolled_back={}), seen)
    assert not lacks(replace(seen, rolled_back={**seen.rolled_back, "digest-3": "also"}), seen)
