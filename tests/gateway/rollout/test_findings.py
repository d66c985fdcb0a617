"""From counts to decisions: what the watch freezes, banks and decides over a real store."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from gateway.rollout.findings import ends_step, evidence_of, findings_of, recorded_evidence, thresholds_of
from gateway.rollout.table import Entry
from gateway.store import Sides
from policies.evidence.evidence import ArmEvidence
from policies.guardrails.grammar import DEFAULT_GUARDRAILS
from policies.guardrails.guardrails import CONTROL_LOST_SECONDS
from policies.rollout.rollout import WATCH_AFTER_SECONDS, change, new_segment
from routing.agents import RolloutStep
from tests.support.decisions import cells_of
from tests.support.faulty_store import Operation
from tests.support.replicas import PRICES, Replica, replicas
from tests.support.trials import STEPS, age, agent_named, begun, bring_in, call, command, failing, healthy

HOUR = 3600.0


@pytest_asyncio.fixture
async def replica(redis_url: str) -> AsyncIterator[Replica]:
    async with replicas(redis_url, 1) as (replica,):
        yield replica


async def held(replica: Replica, agent: str, seconds: float = 61.0) -> None:
    """A step of the rollout in which nothing was wrong is over."""
    await bring_in(replica, agent, healthy(replica.state(agent)))
    await age(replica, agent, seconds)
    await replica.controller.poll()


async def actions(replica: Replica, agent: str) -> list[str]:
    """What was decided, newest first."""
    return [event["action"] for event in await replica.store.audit(agent, 100)]


async def test_the_watch_freezes_stables_thresholds(replica: Replica, agent: str) -> None:
    """Once stable has served enough to tell; the step's evidence goes on."""
    await replica.configure(agent_named(agent))
    before = replica.state(agent)
    await bring_in(replica, agent, healthy(before, stable=499))
    await replica.controller.poll()
    assert replica.state(agent).frozen == {}
    await bring_in(replica, agent, healthy(before, stable=1))
    await replica.controller.poll()
    after = replica.state(agent)
    assert after.frozen.keys() == {"latency:0.75", "latency:0.9", "cost"} and after.action == "freeze"
    assert after.frozen["latency:0.9"] == pytest.approx(0.1, rel=0.03)
    assert (after.evidence, after.segment) == (before.evidence, before.segment)


async def test_what_is_frozen_stays(replica: Replica, agent: str) -> None:
    """Stable gets slower later: what was measured by one threshold is not measured by another within a step."""
    await replica.configure(agent_named(agent))
    await bring_in(replica, agent, healthy(replica.state(agent)))
    await replica.controller.poll()
    frozen = replica.state(agent)
    await bring_in(replica, agent, healthy(frozen, stable=5000))
    await replica.controller.poll()
    assert replica.state(agent) == frozen


async def test_a_step_that_was_held_well_is_followed_by_the_next(replica: Replica, agent: str) -> None:
    """With evidence of its own, what the last one showed banked, and thresholds taken anew."""
    await replica.configure(agent_named(agent, steps=STEPS))
    first = replica.state(agent)
    await held(replica, agent)
    assert (await actions(replica, agent))[0] == "freeze"
    await replica.controller.poll()
    second = replica.state(agent)
    assert (second.action, second.step, second.weight, second.segment) == ("advance", 2, 2500, 2)
    assert second.rollout == first.rollout and second.evidence == second.epoch and second.offset == 1
    assert second.banked.keys() == set(DEFAULT_GUARDRAILS[:-1]) and "latency:0.9" in second.frozen
    (event, *_) = await replica.store.audit(agent, 1)
    assert event["evidence"]["canary_requests"] == 40 and event["reason"].endswith("5% -> 25%")


async def test_a_step_waits_for_all_that_it_wants(replica: Replica, agent: str) -> None:
    """Time alone is not enough: somebody has to approve, and the canary to be seen by enough people."""
    await replica.configure(agent_named(agent, steps=(RolloutStep(500, 60.0, approval=True), *STEPS[1:])))
    await held(replica, agent)
    await replica.controller.poll()
    assert replica.state(agent).step == 1
    await replica.commands.act(agent, replica.state(agent).epoch, command("approve"))
    await replica.controller.poll()
    assert replica.state(agent).step == 2 and not replica.state(agent).approved


async def test_on_what_was_not_seen_nobody_goes_on(replica: Replica, agent: str) -> None:
    """No call at all: the step is over and the rollout stays where it is."""
    await replica.configure(agent_named(agent, steps=STEPS))
    await age(replica, agent, HOUR)
    await replica.controller.poll()
    assert (replica.state(agent).step, replica.state(agent).phase) == (1, "running")


async def test_a_day_without_a_verdict_pauses(replica: Replica, agent: str) -> None:
    """A person is to look; the share stays, and so does the watch: proven harm still rolls back."""
    await replica.configure(agent_named(agent, steps=STEPS))
    await age(replica, agent, 25 * HOUR)
    await replica.controller.poll()
    paused = replica.state(agent)
    assert (paused.phase, paused.weight) == ("paused", 500) and "no verdict for 25 h" in paused.reason
    assert (entry := replica.table.entry(agent)) and entry.split.weight == 500
    for unit in "abc":
        replica.fail(agent, unit)
    await replica.controller.finish()
    assert replica.state(agent).phase == "rolled_back"


async def test_a_pin_holds(replica: Replica, agent: str) -> None:
    """However well the step was held, and whatever the file says; proven harm rolls back all the same."""
    await replica.configure(agent_named(agent, steps=STEPS))
    await replica.commands.act(agent, 1, command("set-weight", weight=1234))
    await held(replica, agent, 25 * HOUR)
    await replica.configure(agent_named(agent, steps=(RolloutStep(9000, 1.0),)))
    await replica.controller.poll()
    assert (replica.state(agent).weight, replica.state(agent).phase) == (1234, "running")
    await bring_in(replica, agent, failing(replica.state(agent), map(str, range(30))))
    await replica.controller.poll()
    assert replica.state(agent).phase == "rolled_back"


async def completed(replica: Replica, agent: str) -> None:
    await replica.configure(agent_named(agent, steps=STEPS[:1]))
    await held(replica, agent)
    await replica.controller.poll()
    assert replica.state(agent).phase == "completed"


async def test_after_the_last_step_the_canary_serves_all(replica: Replica, agent: str) -> None:
    """By the file as it is, and by the one in which it was made stable: neither begins anything."""
    await completed(replica, agent)
    record = replica.state(agent)
    for configured in (agent_named(agent, steps=STEPS[:1]), agent_named(agent, None, stable="v2")):
        await replica.configure(configured)
        assert (entry := replica.table.entry(agent)) and entry.split.stable.name == "v2"
        assert replica.state(agent) == record
    assert (await actions(replica, agent))[0] == "complete" and record.weight == 10_000


async def lose_control(operation: Operation) -> Any:
    """The reply as if stable had been unseen for minutes."""
    found = await operation()
    return found.sides and replace(found, sides=replace(found.sides, control_unseen_seconds=CONTROL_LOST_SECONDS + 1))


@pytest.mark.parametrize("hours, phase", [(1, "rolled_back"), (25, "completed")])
async def test_a_completed_canary_may_still_be_taken_back(replica: Replica, agent: str, hours: int, phase: str) -> None:
    """For a day, by a guardrail that needs no control, because there is none; and stable serves again."""
    await completed(replica, agent)
    await age(replica, agent, hours * HOUR)
    for unit in range(30):
        replica.fail(agent, str(unit))
    with replica.store.faulty("flush", "snapshot", fault=lose_control):
        await replica.controller.finish()
    assert replica.state(agent).phase == phase and WATCH_AFTER_SECONDS == 24 * HOUR
    assert (entry := replica.table.entry(agent))
    assert entry.split.stable.name == ("v1" if phase == "rolled_back" else "v2")


async def test_slow_calls_roll_back(replica: Replica, agent: str) -> None:
    """By the thresholds of the step, from the first one after the freeze: no call of it failed."""
    await replica.configure(agent_named(agent))
    await bring_in(replica, agent, healthy(replica.state(agent)))
    await replica.controller.poll()
    state, entry = replica.state(agent), replica.table.entry(agent)
    assert entry
    for number in range(60):
        slow = call(state, agent, "canary", str(number), seconds=9.0)
        slow.thresholds = entry.thresholds["canary"]
        replica.recorder.close(slow, PRICES)
    await replica.controller.finish()
    assert replica.state(agent).phase == "rolled_back"
    assert replica.state(agent).reason.startswith("latency_p90 <= stable * 1.10 is breached")


def entry_of(**changes: Any) -> Entry:
    agent = agent_named("a")
    return Entry.of(agent, replace(begun(agent), **changes))


def test_a_dismissed_guardrail_keeps_its_share_to_itself() -> None:
    """Handing it to the others because of what it showed would break the promise."""
    entry = entry_of(dismissed=("error_rate",))
    assert entry.state
    sides = Sides(canary=ArmEvidence(requests={0: 100}, bad={"errors": {0: 50_000_000}}, bad_units={"errors": 50}))
    findings = findings_of(entry, evidence_of(entry.state, sides))
    assert [finding.share for finding in findings.assessment.findings] == pytest.approx([0.12] * 4 + [0.03] * 4)
    assert findings.assessment.proven is None and len(findings.guardrails) == 10


def test_which_decisions_end_a_step() -> None:
    """Another share of the same rollout does; a pause, a new rollout and the first one do not."""
    state = begun(agent_named("a"))
    assert ends_step(new_segment(state, 1.0), state)
    assert not ends_step(change(state, 1.0, phase="paused"), state)
    assert not ends_step(new_segment(state, 1.0, rollout=7), state)
    assert not ends_step(change(state, 1.0), None)


async def test_the_evidence_of_an_event_can_be_read_back(replica: Replica, agent: str) -> None:
    """So that anyone can compute its e-values again; an event without one has none."""
    await replica.configure(agent_named(agent))
    for unit in "abc":
        replica.fail(agent, unit)
    await replica.controller.finish()
    rollback, start = await replica.store.audit(agent, 10)
    evidence = recorded_evidence(rollback)
    assert evidence and evidence.canary.errors == 3 and recorded_evidence(start) is recorded_evidence({}) is None
    again = findings_of(entry_of(), evidence).assessment
    assert again.e_value == rollback["evidence"]["e_value"] and again.proven


async def test_the_thresholds_come_from_stable_alone(replica: Replica, agent: str) -> None:
    """Of this rollout; the canary's own calls say nothing about how slow is slow."""
    await replica.configure(agent_named(agent))
    batch = healthy(replica.state(agent))
    batch.cells = cells_of({"v2": batch.tallies["v1"]})
    await bring_in(replica, agent, batch)
    assert (entry := replica.table.entry(agent))
    assert thresholds_of(entry, await replica.store.snapshot(agent)) is None
