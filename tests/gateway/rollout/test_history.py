"""A store that lost or replaced its records while nobody was looking: what was rolled back stays so."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.store import Memory, RedisStore, connect
from policies.rollout.state import State
from tests.support.decisions import following
from tests.support.replicas import Replica, make_replica
from tests.support.trials import agent_named


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    client = connect(redis_url)
    assert isinstance(client, Redis)
    yield client
    await client.aclose()


async def _replica(url: str, folder: Path) -> tuple[Replica, Memory]:
    """A replica that starts now, with what its installation remembers."""
    memory = Memory(folder)
    memory.load()
    return make_replica(url, memory), memory


async def _rolled_back(url: str, folder: Path, agent: str) -> State:
    """One life of a replica, in which the canary is rolled back at epoch 2; the record."""
    replica, memory = await _replica(url, folder)
    await replica.configure(agent_named(agent))
    for unit in "abc":
        replica.fail(agent, unit)
    await replica.controller.finish()
    await memory.keep(replica.store)
    await replica.store.aclose()
    assert replica.state(agent).phase == "rolled_back"
    return replica.state(agent)


async def _after_restart(url: str, folder: Path, agent: str) -> tuple[State, list[str]]:
    """The record once another replica has started, and the audit trail's actions, newest first."""
    replica, _ = await _replica(url, folder)
    await replica.configure(agent_named(agent))
    actions = [event["action"] for event in await replica.store.audit(agent, 100)]
    await replica.store.aclose()
    return replica.state(agent), actions


async def _forget(client: Redis, agent: str) -> None:
    keys = [key async for key in client.scan_iter(f"serinus:{{{agent}}}:*")]
    await client.delete(*keys)


async def test_an_emptied_store_is_put_right_by_the_next_start(
    tmp_path: Path, redis_url: str, client: Redis, agent: str
) -> None:
    """Emptied while every replica was down: still rolled back, at a higher epoch, and the audit says `restore`."""
    seen = await _rolled_back(redis_url, tmp_path, agent)
    await _forget(client, agent)
    state, actions = await _after_restart(redis_url, tmp_path, agent)
    assert (state.phase, state.epoch, state.rolled_back) == ("rolled_back", seen.epoch + 1, seen.rolled_back)
    assert actions == ["restore"]


async def test_an_older_record_is_put_right_by_the_next_start(
    tmp_path: Path, redis_url: str, client: Redis, agent: str
) -> None:
    """A backup from before the rollback."""
    seen = await _rolled_back(redis_url, tmp_path, agent)
    await _forget(client, agent)
    await _after_restart(redis_url, tmp_path / "nobody", agent)
    state, actions = await _after_restart(redis_url, tmp_path, agent)
    assert (state.phase, state.epoch) == ("rolled_back", seen.epoch + 1)
    assert actions == ["restore", "start"]


async def test_a_later_record_of_another_history_does_not_bring_the_canary_back(
    tmp_path: Path, redis_url: str, client: Redis, agent: str
) -> None:
    """The store was lost, and went on to higher epochs before this installation saw it again."""
    seen = await _rolled_back(redis_url, tmp_path, agent)
    await _forget(client, agent)
    other = await _another_history(redis_url, tmp_path, agent)
    state, actions = await _after_restart(redis_url, tmp_path, agent)
    assert (state.phase, state.epoch, state.rolled_back) == ("rolled_back", other.epoch + 1, seen.rolled_back)
    assert actions[0] == "restore"


async def test_another_history_after_an_outage_is_recognised_by_a_running_replica(
    tmp_path: Path, redis_url: str, client: Redis, agent: str
) -> None:
    """The store that came back is another one, whose epochs are higher."""
    await _rolled_back(redis_url, tmp_path, agent)
    replica, _ = await _replica(redis_url, tmp_path)
    await replica.configure(agent_named(agent))
    await _forget(client, agent)
    await _another_history(redis_url, tmp_path, agent)
    with replica.store.faulty("epochs", "read"):
        await replica.controller.poll()
    for _ in range(3):
        await replica.controller.poll()
    assert (replica.state(agent).phase, replica.state(agent).action) == ("rolled_back", "restore")
    await replica.store.aclose()


async def _another_history(url: str, folder: Path, agent: str) -> State:
    """Somebody who has seen nothing takes the trial to epoch 5; the record."""
    other, _ = await _after_restart(url, folder / "nobody", agent)
    store = RedisStore(connect(url), "other")
    for _ in range(4):
        other = (await store.commit(agent, following(other), "")).state or other
    await store.aclose()
    return other


async def test_a_retry_that_somebody_gave_meanwhile_is_no_loss(tmp_path: Path, redis_url: str, agent: str) -> None:
    """The later record comes from the one that was seen, so the person's word holds."""
    seen = await _rolled_back(redis_url, tmp_path, agent)
    store = RedisStore(connect(redis_url), "elsewhere")
    await store.commit(agent, following(seen, phase="running", weight=500, rolled_back={}, action="retry"), "")
    await store.aclose()
    state, actions = await _after_restart(redis_url, tmp_path, agent)
    assert (state.phase, actions[0]) == ("running", "retry")


async def test_a_deliberate_beginning_is_one(tmp_path: Path, redis_url: str, client: Redis, agent: str) -> None:
    """Whoever empties the store and deletes the memory gets what they asked for."""
    await _rolled_back(redis_url, tmp_path, agent)
    await _forget(client, agent)
    (tmp_path / f"{agent}.json").unlink()
    state, actions = await _after_restart(redis_url, tmp_path, agent)
    assert (state.phase, state.epoch, actions) == ("running", 1, ["start"])
