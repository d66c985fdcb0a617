"""Batches on their way into the store: each once, in order, and none lost on the way."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.conversation import conversation_key
from gateway.errors import StoreAway
from gateway.rollout.flusher import Flusher
from gateway.rollout.named_conversations import Conversations
from gateway.store import Arm, Batch, FlushReply
from tests.support.trials import outcome

REPLY = FlushReply(1, None, 0.0)


@dataclass(slots=True)
class Recorded:
    """Stands for the recorder: batches that wait, by agent."""

    batches: dict[str, list[Batch]] = field(default_factory=dict)
    conversations: Conversations = field(default_factory=Conversations)

    def add(self, agent: str, requests: int) -> None:
        self.batches.setdefault(agent, []).append(Batch(1, 1, stable=Arm(requests)))

    def agents(self) -> Sequence[str]:
        return [*(agent for agent, waiting in self.batches.items() if waiting), *self.conversations.agents()]

    def now(self) -> float:
        return 0.0

    def waiting(self, agent: str) -> int:
        return len(self.batches.get(agent, ()))

    def take(self, agent: str) -> Batch | None:
        waiting = self.batches.get(agent)
        return waiting.pop(0) if waiting else None


@dataclass(slots=True)
class Applied:
    """Stands for the store: applies a sequence once, as Redis does. `fate` says what becomes of the next flushes."""

    fate: list[str] = field(default_factory=list)
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    sums: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    remembered: dict[Any, str] = field(default_factory=dict)
    away: int = 0

    async def flush(self, agent: str, sequence: int, batch: Batch) -> FlushReply:
        fate = self.fate.pop(0) if self.fate else "applied"
        self.asked.append((agent, sequence, batch.stable.requests))
        await asyncio.sleep(0)
        if fate != "refused" and sequence > self.last.get(agent, 0):
            self.last[agent] = sequence
            self.sums[agent] = self.sums.get(agent, 0) + batch.stable.requests
        if fate != "applied":
            raise StoreAway(fate)
        return REPLY

    async def remember(self, agent: str, calls: Any) -> None:
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise StoreAway("away")
        self.remembered.update({(agent, *named): call_id for named, call_id in calls.items()})


def stage(*fate: str) -> tuple[Recorded, Any, Flusher]:
    """A flusher between recorder and store."""
    recorded, applied = Recorded(), Applied(list(fate))
    return recorded, applied, Flusher(applied, recorded)  # type: ignore[arg-type]  # stand-ins


async def flush(flusher: Flusher, agent: str = "a") -> list[int]:
    """Flush what waits; the requests of each batch that was replied to."""
    async with aclosing(flusher.flush(agent)) as replies:
        return [batch.stable.requests async for batch, _ in replies]


@pytest.mark.parametrize("fate", ["refused", "reply lost"])
async def test_a_batch_of_unknown_fate_is_sent_again_as_it_was(fate: str) -> None:
    """Before anything newer and under the same sequence, whether it was applied or not: counted once."""
    recorded, applied, flusher = stage(fate)
    recorded.add("a", 7)
    with pytest.raises(StoreAway):
        await flush(flusher)
    recorded.add("a", 2)
    assert flusher.agents() == ["a"]
    assert await flush(flusher) == [7, 2]
    assert applied.asked == [("a", 1, 7), ("a", 1, 7), ("a", 2, 2)]
    assert applied.sums == {"a": 9} and flusher.agents() == []


async def test_side_by_side_flushes_of_one_agent_take_turns() -> None:
    """Else a newer sequence could overtake an older one, which the store would then take for a repetition."""
    recorded, applied, flusher = stage()
    for _ in range(20):
        recorded.add("a", 1)
    await asyncio.gather(*(flush(flusher) for _ in range(5)))
    assert [sequence for _, sequence, _ in applied.asked] == list(range(1, 21)) and applied.sums == {"a": 20}


async def test_a_flush_ends_however_much_comes_meanwhile() -> None:
    """What was counted while it was under way waits for the next one; else it would go on for as long as there are
    calls, as fast as the store answers."""
    recorded, applied, flusher = stage()
    recorded.add("a", 1)
    recorded.add("a", 1)
    async for _ in flusher.flush("a"):
        recorded.add("a", 1)
    assert applied.sums == {"a": 2} and flusher.agents() == ["a"]
    await flush(flusher)
    assert applied.sums == {"a": 4}


async def test_a_flush_that_is_cancelled_loses_nothing() -> None:
    """Whatever was under way is sent again by the next one."""
    recorded, applied, flusher = stage()
    recorded.add("a", 3)
    task = asyncio.create_task(flush(flusher))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await flush(flusher)
    assert applied.sums == {"a": 3}


async def test_a_caller_that_leaves_after_a_reply_leaves_the_rest_waiting() -> None:
    """What it has replied to is applied; the next flush brings in the rest, once."""
    recorded, applied, flusher = stage()
    recorded.add("a", 3)
    recorded.add("a", 4)
    async with aclosing(flusher.flush("a")) as replies:
        batch, _ = await anext(replies)
    assert batch.stable.requests == 3 and flusher.agents() == ["a"]
    assert await flush(flusher) == [4] and applied.sums == {"a": 7}


async def test_one_agents_trouble_is_its_own() -> None:
    """Another agent's sequence is another."""
    recorded, applied, flusher = stage("refused")
    recorded.add("a", 1)
    recorded.add("b", 2)
    results = await asyncio.gather(*(flush(flusher, agent) for agent in ("a", "b")), return_exceptions=True)
    assert isinstance(results[0], StoreAway) and results[1] == [2]
    assert applied.sums == {"b": 2} and flusher.agents() == ["a"]


async def test_conversations_follow_their_batch() -> None:
    """Until the store has them, whatever becomes of the first try; then they wait no more."""
    recorded, applied, flusher = stage()
    recorded.add("a", 1)
    recorded.conversations.note(replace(outcome(), conversation="chat-1", call_id="c-1"))
    applied.away = 1
    with pytest.raises(StoreAway):
        await flush(flusher)
    assert list(flusher.agents()) == ["a"]
    await flush(flusher)
    assert applied.remembered == {("a", "web", conversation_key("web", "chat-1")): "c-1"} and not flusher.agents()
