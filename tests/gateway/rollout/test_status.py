"""Reading of an agent for its status: what has not changed is not read again."""

from gateway.rollout.openings import SharedOpenings
from gateway.rollout.status import StatusBuilder
from tests.support.replicas import PRICES, Replica, replicas
from tests.support.trials import agent_named, command


async def _last_action(status: StatusBuilder, replica: Replica, agent: str) -> tuple[str | None, int]:
    """The last decision as the status has it, and how often the audit trail was read for that."""
    before = replica.store.calls["audit"]
    view = (await status.agents([agent]))[agent]
    decision = view.last_decision
    return decision.action if decision else None, replica.store.calls["audit"] - before


async def test_the_audit_trail_is_read_after_a_change_alone(redis_url: str, agent: str) -> None:
    """The latest decision is shown at each look, whoever made it."""
    async with replicas(redis_url, 2) as (here, other):
        await here.configure(agent_named(agent))
        await other.configure(agent_named(agent))
        status = StatusBuilder(here.store, here.table, PRICES, SharedOpenings(lambda: 0.0))
        assert [await _last_action(status, here, agent) for _ in range(3)] == [("start", 1), ("start", 0), ("start", 0)]
        await other.commands.act(agent, other.state(agent).epoch, command("pause"))
        await here.controller.poll()
        assert [await _last_action(status, here, agent) for _ in range(2)] == [("pause", 1), ("pause", 0)]
