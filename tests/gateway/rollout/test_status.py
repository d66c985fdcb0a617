"""Reading of an agent for its status: what has not changed is not read again."""

from gateway.rollout.openings import SharedOpenings
from gateway.rollout.recent_views import FEW
from gateway.rollout.status import StatusBuilder
from tests.support.faulty_store import answer
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


async def test_what_the_judge_has_read_is_not_read_again(redis_url: str, agent: str) -> None:
    """The overview of many trials asks the store for none that this replica looks at; a few are read anew."""
    names = [f"{agent}-{number}" for number in range(FEW + 1)]
    async with replicas(redis_url, 2) as (here, other):
        for each in (here, other):
            await each.configure(*map(agent_named, names))
        await here.controller.poll()
        await other.controller.poll()
        for each, read in ((here, 0), (other, len(names))):
            latest = each.controller.latest
            status = StatusBuilder(each.store, each.table, PRICES, SharedOpenings(lambda: 0.0), latest=latest)
            assert await _read(status, each, names) == read
            assert await _read(status, each, names[:FEW]) == FEW


async def test_a_record_that_changed_is_read(redis_url: str, agent: str) -> None:
    """The judge looked before somebody paused the trial: the overview of many shows the pause, and who made it."""
    names = [f"{agent}-{number}" for number in range(FEW + 1)]
    async with replicas(redis_url, 1) as (here,):
        await here.configure(*map(agent_named, names))
        await here.controller.poll()
        latest = here.controller.latest
        status = StatusBuilder(here.store, here.table, PRICES, SharedOpenings(lambda: 0.0), latest=latest)
        await here.commands.act(names[0], here.state(names[0]).epoch, command("pause"))
        assert await _read(status, here, names) == 1
        decision = (await status.agents(names))[names[0]].last_decision
        assert decision is not None and decision.action == "pause"


async def test_a_look_that_failed_is_not_shown(redis_url: str, agent: str) -> None:
    """What the judge read before is no longer the latest: somebody else may look now."""
    async with replicas(redis_url, 1) as (here,):
        await here.configure(agent_named(agent))
        await here.controller.poll()
        assert here.controller.latest(agent) is not None
        here.store.script("lease", answer(False))
        await here.controller.poll()
        assert here.controller.latest(agent) is None


async def _read(status: StatusBuilder, replica: Replica, names: list[str]) -> int:
    """Return how many agents were read for their views."""
    before = replica.store.calls["snapshot"]
    assert list(await status.agents(names)) == names
    return replica.store.calls["snapshot"] - before
