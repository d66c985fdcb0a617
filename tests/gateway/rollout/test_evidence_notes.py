"""The evidence against guardrails over time: one point a minute of a trial, and the one that a rollback rests on."""

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from gateway.store.intervals import EvidencePoint
from policies.guardrails.grammar import DEFAULT_GUARDRAILS
from tests.support.replicas import Replica, replicas
from tests.support.trials import STEPS, agent_named, bring_in, healthy


@pytest_asyncio.fixture
async def replica(redis_url: str) -> AsyncIterator[Replica]:
    async with replicas(redis_url, 1) as (one,):
        yield one


async def points(replica: Replica, agent: str) -> Sequence[EvidencePoint]:
    now = (await replica.store.read(agent))[1]
    return (await replica.store.history(agent, now - 600, now, 60)).points


async def test_a_quiet_trial_has_a_point_a_minute(replica: Replica, agent: str) -> None:
    """With every guardrail; not one for every look."""
    await replica.configure(agent_named(agent, steps=STEPS))
    for _ in range(5):
        await replica.controller.poll()
    found = await points(replica, agent)
    assert found and replica.store.calls["note_evidence"] <= 2
    assert set(found[-1].guardrails) == {" ".join(text.split()) for text in DEFAULT_GUARDRAILS}
    assert found[-1].guardrails["error_rate <= 20%"] == (1.0, None, None, 0.2)


async def test_a_rollback_is_the_last_point(replica: Replica, agent: str) -> None:
    """Its evidence is beyond the threshold, although nobody looks at the trial any more; values have their units."""
    await replica.configure(agent_named(agent))
    await bring_in(replica, agent, healthy(replica.state(agent)))
    for number in range(40):
        replica.fail(agent, f"unit {number}")
    await replica.controller.finish()
    assert replica.state(agent).phase == "rolled_back"
    found = (await points(replica, agent))[-1].guardrails
    errors, slow = found["error_rate <= stable * 1.25"], found["latency_p90 <= stable * 1.10"]
    assert errors.e_value > 100 and errors.canary and errors.canary > 0.4 and errors.stable == errors.limit == 0.0
    assert slow.stable and slow.stable == pytest.approx(0.1, rel=0.05)
    assert slow.limit == pytest.approx(slow.stable * 1.1, rel=1e-5)


async def test_without_the_store_the_decision_stands(replica: Replica, agent: str) -> None:
    """The note is lost, and nothing else."""
    await replica.configure(agent_named(agent))
    for unit in "abcdef":
        replica.fail(agent, unit)
    with replica.store.faulty("note_evidence"):
        await replica.controller.finish()
        assert replica.state(agent).phase == "rolled_back"
    assert all(values.e_value < 100 for point in await points(replica, agent) for values in point.guardrails.values())
