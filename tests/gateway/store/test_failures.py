"""Why calls failed: merged over replicas, each failure once, and bounded whatever providers say."""

import pytest

from gateway.store import RedisStore
from gateway.store.failures import CALLS, MOST, FailureReason, FailureReasons, common_part
from gateway.store.seam import Batch
from tests.gateway.store.conftest import NewStore


def reason(message: str, status: int = 503) -> FailureReason:
    return FailureReason("p/m", "status", status, "overloaded", message, True)


def failing(*noted: tuple[str, str, float], version: str = "v2") -> Batch:
    """A batch of calls that failed: message, call and time of each."""
    batch = Batch(1, 1)
    for message, call, at in noted:
        batch.reasons.note(version, reason(message), call, at)
    return batch


async def test_replicas_add_to_one_reason(new_store: NewStore, agent: str) -> None:
    """The latest calls of all of them stay, the newest first; a batch that comes twice counts once."""
    one, two = new_store(), new_store()
    first = failing(("busy", "a", 1.0), ("busy", "b", 2.0))
    await one.flush(agent, 1, first)
    await one.flush(agent, 1, first)
    await two.flush(agent, 1, failing(("busy", "c", 9.0), ("other", "d", 3.0)))
    busy, other = (await one.failure_reasons(agent, 1))["v2"]
    assert (busy.reason, busy.count, busy.at, busy.calls) == (reason("busy"), 3, 9.0, ("c", "b", "a"))
    assert (other.count, other.calls) == (1, ("d",))


async def test_a_late_batch_does_not_hide_the_latest_call(new_store: NewStore, agent: str) -> None:
    """A replica that was cut off brings older calls than those that are known."""
    one, two = new_store(), new_store()
    await one.flush(agent, 1, failing(*(("busy", f"new-{n}", 100.0 + n) for n in range(4))))
    await two.flush(agent, 1, failing(("busy", "old", 1.0)))
    (busy,) = (await one.failure_reasons(agent, 1))["v2"]
    assert (busy.count, busy.at, busy.calls) == (5, 103.0, ("new-3", "new-2", "new-1"))


async def test_the_rarest_make_room(store: RedisStore, agent: str) -> None:
    """A provider that says something new each time pushes out no frequent reason, and takes no more space."""
    await store.flush(agent, 1, failing(*(("busy", "a", 1.0) for _ in range(5))))
    for sequence in range(2, 12):
        await store.flush(agent, sequence, failing(*((f"m-{sequence}-{n}", "x", float(sequence)) for n in range(9))))
    await store.flush(agent, 12, failing(("elsewhere", "y", 1.0), version="v1"))
    found = await store.failure_reasons(agent, 1)
    kept = [each for each in found["v2"] if each.reason]
    assert len(kept) == MOST and kept[0].reason == reason("busy")
    assert sum(each.count for each in found["v2"]) == 5 + 90 and found["v2"][-1].reason is None
    assert [each.reason for each in found["v1"]] == [reason("elsewhere")]


def test_a_batch_is_bounded() -> None:
    """While the store is away a replica keeps no more either, and no count is lost."""
    reasons = FailureReasons()
    for number in range(1000):
        reasons.note("v", reason(f"m{number}"), f"call-{number}", float(number))
    assert len(reasons.of["v"]) == MOST and reasons.others["v"] == 1000 - MOST
    assert max(len(each.calls) for each in reasons.of["v"].values()) <= CALLS


async def test_the_snapshot_has_the_rollouts_reasons(store: RedisStore, agent: str) -> None:
    """They belong to the rollout of their batch, and are read with its sums."""
    await store.flush(agent, 1, failing(("busy", "a", 1.0)))
    assert (await store.snapshot(agent)).reasons == {}
    assert "v2" in await store.failure_reasons(agent, 1)


@pytest.mark.parametrize(
    ("message", "common"),
    [
        ("try again in 20.5s, request 4711", "try again in #.#s, request #"),
        ("Unsupported parameter: 'max_tokens'", "Unsupported parameter: 'max_tokens'"),
        ("no tool `Secret Name` here", "no tool `…` here"),
        ("x" * 500, "x" * 159 + "…"),
    ],
)
def test_what_failures_have_in_common(message: str, common: str) -> None:
    """Numbers and quoted names differ from call to call."""
    assert common_part(message) == common
