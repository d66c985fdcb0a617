"""Many agents' views: how often the store is read for them, and when a view is too old to be shown."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.rollout.recent_views import (
    FEW,
    FRESH_SECONDS,
    MOST_A_SECOND,
    MOST_STALE_SECONDS,
    STALE_SECONDS,
    VERY_MANY,
    RecentViews,
)
from gateway.rollout.status_view import AgentView
from gateway.rollout.table import Entry, Table
from policies.rollout.rollout import reconcile
from routing.agents import Agent, AgentVersion, Target
from tests.support.views import agent_view

MANY = [f"agent-{number}" for number in range(100)]


def agents(names: list[str]) -> dict[str, Agent]:
    version = AgentVersion("v1", Target("standin", "good"))
    return {name: Agent(name, {"v1": version}, "v1") for name in names}


@dataclass
class Watched:
    """Views whose readings and buildings are counted; `now` is the clock."""

    table: Table = field(default_factory=Table)
    now: float = 0.0
    read: list[str] = field(default_factory=list)
    built: list[str] = field(default_factory=list)
    views: RecentViews = field(init=False)

    def __post_init__(self) -> None:
        self.table.install(agents(MANY))
        self.views = RecentViews(self.table, self._read, self._build, lambda: self.now)

    async def look(self, names: list[str]) -> list[str]:
        """Look at those agents, wait for what goes on behind; return whom the store was read for."""
        self.read.clear()
        assert list(await self.views.agents(names)) == [name for name in names if name in self.table]
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))
        return self.read

    async def _read(self, name: str) -> None:
        self.read.append(name)

    def _build(self, name: str, entry: Entry) -> AgentView:
        self.built.append(name)
        return replace(agent_view(), epoch=len(self.built))


@pytest.fixture
def watched() -> Watched:
    return Watched()


async def test_a_few_agents_are_read_at_each_look(watched: Watched) -> None:
    """What somebody reads of them is what the store has."""
    for _ in range(3):
        assert await watched.look(MANY[:FEW]) == MANY[:FEW]


async def test_many_agents_are_read_once_for_many_looks(watched: Watched) -> None:
    """A page that is asked for ten times a second reads the store once in some seconds, and builds nothing twice."""
    assert await watched.look(MANY) == MANY
    for _ in range(10):
        assert await watched.look(MANY) == []
    assert len(watched.built) == len(MANY)


async def test_an_older_view_is_shown_and_renewed(watched: Watched) -> None:
    """Nobody waits for it: the next look has it."""
    await watched.look(MANY)
    watched.now += FRESH_SECONDS * len(MANY) + 0.01
    before = await watched.views.agents(MANY)
    assert before[MANY[0]].epoch == 1
    await watched.look(MANY)
    assert (await watched.views.agents(MANY))[MANY[0]].epoch > len(MANY)


async def test_a_view_that_is_too_old_is_not_shown(watched: Watched) -> None:
    """After a night without a look the first one waits."""
    assert STALE_SECONDS * len(MANY) < MOST_STALE_SECONDS
    await watched.look(MANY)
    watched.now += STALE_SECONDS * len(MANY) + 0.01
    assert (await watched.views.agents(MANY))[MANY[0]].epoch > len(MANY)


async def test_the_first_look_after_a_night_waits_for_nothing(watched: Watched) -> None:
    """Views are renewed while nobody looks, some a second: no reading and no judgement is left for who comes."""
    for _ in range(100):
        watched.now += 1.0
        before = len(watched.built)
        await watched.views.keep_fresh()
        assert len(watched.built) - before <= MOST_A_SECOND
    watched.read.clear()
    watched.built.clear()
    assert len(await watched.views.agents(MANY)) == len(MANY) and (watched.read, watched.built) == ([], [])


async def test_views_of_fewer_agents_are_not_kept(watched: Watched) -> None:
    """They are built within milliseconds when somebody looks, and cost nothing before."""
    watched.table.install(agents(MANY[: VERY_MANY - 1]))
    await watched.views.keep_fresh()
    assert watched.read == []


async def test_an_agent_whose_record_changed_is_read_at_once(watched: Watched) -> None:
    """It alone: a rollback does not wait for the others to be renewed."""
    await watched.look(MANY)
    entry = watched.table.entry(MANY[7])
    assert entry is not None
    decision: Any = reconcile(None, entry.intent, 1.0)
    watched.table.turn(MANY[7], decision.state)
    assert await watched.look(MANY) == [MANY[7]]


async def test_agents_that_left_are_forgotten(watched: Watched) -> None:
    """And another configuration is another view."""
    await watched.look(MANY)
    watched.table.install(agents(MANY[:50]))
    assert await watched.look(MANY) == MANY[:50]


async def test_a_store_that_hangs_is_waited_for_once(watched: Watched) -> None:
    """Then what was last read is shown, whoever else waits for it."""

    async def hang(name: str) -> None:
        watched.read.append(name)
        await asyncio.Event().wait()

    views = RecentViews(watched.table, hang, watched._build)
    assert len(await views.agents(MANY)) == len(MANY) and len(watched.read) < len(MANY)
